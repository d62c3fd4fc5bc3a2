/** The native format: one in-toto Statement v1 over all artifacts of the request. Requester and note stay in the request. */
import { decodeBase64Url } from '../../verifier/base64.ts';
import { encodeStatement, statementPayloadType } from '../../verifier/statement.ts';
import { refuseAs } from '../wire/envelope.ts';
import { dsseFormat } from './format.ts';

/** The format of the same name: what our own verifier reads, in a DSSE envelope. */
export const native = dsseFormat({
  name: 'native',
  kind: 'release',
  payloadType: statementPayloadType,
  payloadOf: ({ request }) => {
    const { groupKey, channel, product, release, source, createdAt, artifacts } = request.payload;
    return refuseAs('bad-request', 'native statement', () =>
      encodeStatement({
        subjects: artifacts.map(({ name, sha256 }) => ({ name, sha256 })),
        groupKey: decodeBase64Url(groupKey),
        channel,
        product,
        release,
        requestDigest: request.digest,
        source,
        createdAt,
      }),
    );
  },
});
