import { describe, expect, test } from 'vitest';
import { Addresses, type Caller } from '../../coordinator/address.ts';
import { CoordinatorError } from '../../coordinator/errors.ts';

function caller(remoteAddress: string | undefined, forwarded?: string | string[]): Caller {
  return { socket: { remoteAddress }, headers: { 'x-forwarded-for': forwarded } };
}

describe('the address that a failure is charged to (T44)', () => {
  const direct = new Addresses([]);
  test.each([
    ['192.0.2.7', '192.0.2.7'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8:1:2::1', '2001:db8:1:2::/64'],
    ['2001:0db8:0001:0002:ffff::', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
  ])('of %s is %s', (remote, address) => {
    expect(direct.of(caller(remote))).toBe(address);
  });

  test('of an ended connection is none, and of an IPv6 host in one network always the same', () => {
    expect(direct.of(caller(undefined))).toBe('');
    const hosts = ['2001:db8::1', '2001:db8::2', '2001:db8:0:0:ffff:ffff:ffff:ffff'];
    expect(new Set(hosts.map((host) => direct.of(caller(host)))).size).toBe(1);
  });

  test('is not what a stranger says of itself', () => {
    expect(direct.of(caller('192.0.2.7', '198.51.100.1'))).toBe('192.0.2.7');
    expect(new Addresses(['127.0.0.1']).of(caller('192.0.2.7', '198.51.100.1'))).toBe('192.0.2.7');
  });

  test.each([
    ['198.51.100.1', '198.51.100.1'],
    ['203.0.113.9, 198.51.100.1', '198.51.100.1'],
    ['198.51.100.1, 127.0.0.1', '198.51.100.1'],
    [['203.0.113.9', '198.51.100.1'], '198.51.100.1'],
    ['2001:db8::9', '2001:db8:0:0::/64'],
    ['unknown', '127.0.0.1'],
    ['203.0.113.9, junk', '127.0.0.1'],
    ['', '127.0.0.1'],
    ['127.0.0.1', '127.0.0.1'],
  ])('behind a trusted proxy that says %s is %s', (forwarded, address) => {
    const addresses = new Addresses(['127.0.0.1']);
    expect(addresses.of(caller('127.0.0.1', forwarded))).toBe(address);
    expect(addresses.of(caller('::ffff:127.0.0.1', forwarded))).toBe(address);
  });

  test.each(['', 'proxy.example.org', '10.0.0.0/8', '300.1.1.1'])('trusts no proxy called %j', (proxy) => {
    expect(() => new Addresses([proxy])).toThrow(CoordinatorError);
  });
});
