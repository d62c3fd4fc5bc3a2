import { describe, expect, test } from 'vitest';
import { ClientError } from '../../client/errors.ts';
import { formatCoordinatorUrl, isLoopback, parseBaseUrl, parseCoordinatorUrl } from '../../client/url.ts';
import { encodeBase64Url } from '../../verifier/base64.ts';
import { person } from '../harness/people.ts';

const { publicKey } = person('coordinator');
const fingerprint = encodeBase64Url(publicKey);

function codeOf(parse: () => unknown): string {
  try {
    parse();
    return 'accepted';
  } catch (error) {
    expect(error).toBeInstanceOf(ClientError);
    return (error as ClientError).code;
  }
}

describe('a coordinator URL', () => {
  test.each([
    ['https://sign.example.org:7443/', 'https://sign.example.org:7443'],
    ['https://sign.example.org', 'https://sign.example.org'],
    ['https://sign.example.org/frostmark/', 'https://sign.example.org/frostmark'],
    ['HTTPS://Sign.Example.ORG:443/', 'https://sign.example.org'],
    ['http://127.0.0.1:7443/', 'http://127.0.0.1:7443'],
    ['http://localhost:7443', 'http://localhost:7443'],
    ['http://[::1]:7443/', 'http://[::1]:7443'],
  ])('%s has the base %s', (address, base) => {
    expect(parseCoordinatorUrl(`${address}#${fingerprint}`)).toMatchObject({ base, fingerprint });
    expect(parseCoordinatorUrl(formatCoordinatorUrl(base, publicKey)).text).toBe(`${base}/#${fingerprint}`);
  });

  test.each([
    ['nothing', ''],
    ['no fingerprint', 'https://host:7443/'],
    ['an empty fingerprint', 'https://host:7443/#'],
    ['half a fingerprint', `https://host:7443/#${fingerprint.slice(0, 20)}`],
    ['a fingerprint that is no key', `https://host:7443/#${'A'.repeat(43)}`],
    ['a padded fingerprint', `https://host:7443/#${fingerprint}=`],
    ['another scheme', `ftp://host/#${fingerprint}`],
    ['a user and password', `https://a:b@host/#${fingerprint}`],
    ['a query', `https://host/?x=1#${fingerprint}`],
    ['only a host', `host:7443#${fingerprint}`],
    ['four hundred characters', `https://${'h'.repeat(400)}/#${fingerprint}`],
  ])('with %s is refused', (_what, text) => {
    expect(codeOf(() => parseCoordinatorUrl(text, { insecure: true }))).toBe('bad-url');
  });

  test.each(['http://10.0.0.5:7443/', 'http://sign.example.org/', 'http://127.0.0.1.example.org/', 'http://0.0.0.0/'])(
    'over plain http to another machine is refused without insecure: %s',
    (address) => {
      expect(codeOf(() => parseCoordinatorUrl(`${address}#${fingerprint}`))).toBe('insecure-url');
      expect(codeOf(() => parseCoordinatorUrl(`${address}#${fingerprint}`, { insecure: true }))).toBe('accepted');
      expect(codeOf(() => parseBaseUrl(address))).toBe('insecure-url');
    },
  );

  test('tells loopback from names that look like it', () => {
    expect(['localhost', '127.0.0.1', '127.9.9.9', '::1', '[::1]'].every(isLoopback)).toBe(true);
    expect(['localhost.evil', '127.0.0.1.evil', '1127.0.0.1', '0.0.0.0', '::', 'evil-localhost'].some(isLoopback)).toBe(
      false,
    );
  });
});
