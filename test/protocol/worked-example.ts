/** Section 15 of PROTOCOL.md: one worked example, written from the golden files. */
import { preAuthEncoding, type Envelope } from '../../verifier/dsse.ts';
import { decodeBase64 } from '../../verifier/base64.ts';
import { bytesToHex, sha256Hex } from '../../protocol/wire/bytes.ts';
import { decodeCertificate } from '../../protocol/ceremony/certificate.ts';
import { openEpoch } from '../../protocol/ceremony/epoch.ts';
import { ceremonyId } from '../../protocol/ceremony/messages.ts';
import { decodeCharter } from '../../protocol/files/charter.ts';
import { readRequestersFile } from '../../protocol/files/requesters.ts';
import { createNobleGroup } from '../../protocol/frost/group-noble.ts';
import { prepareRequest } from '../../protocol/formats/index.ts';
import { openRequest } from '../../protocol/request/request.ts';
import { attemptId, openCommitment } from '../../protocol/signing/attempt.ts';
import { goldenFile } from './golden.ts';

const group = createNobleGroup({ randomBytes: (count) => new Uint8Array(count) });
const lineCharacters = 110;

const envelopeIn = (name: string): Envelope =>
  JSON.parse(new TextDecoder().decode(goldenFile(`${name}.json`))) as Envelope;

/** Text that is broken into lines, where the bytes have none. */
function block(...texts: readonly string[]): string {
  const lines = texts.flatMap(
    (text) =>
      Array.from(text)
        .join('')
        .match(new RegExp(`.{1,${lineCharacters}}`, 'gu')) ?? [],
  );
  return ['```', ...lines, '```'].join('\n');
}

/** What is signed, and its signature. */
function signed(name: string): string {
  const { payload, payloadType, signatures } = envelopeIn(name);
  const bytes = decodeBase64(payload);
  return block(
    `payload    ${new TextDecoder().decode(bytes)}`,
    `signed     DSSEv1 ${payloadType.length} ${payloadType} ${bytes.length} payload`,
    `           of which the SHA-256 is ${sha256Hex(preAuthEncoding(payloadType, bytes))}`,
    `keyid      ${signatures[0].keyid === '' ? '(empty)' : signatures[0].keyid}`,
    `signature  ${signatures[0].sig}`,
  );
}

/** The section, heading included, with a newline at its end. */
export function workedExample(): string {
  const charter = decodeCharter(goldenFile('charter.yaml'), 'charter.yaml');
  const requesters = readRequestersFile(goldenFile('requesters.yaml'), 'requesters.yaml', charter);
  const certificate = decodeCertificate(goldenFile('certificate.json'));
  const epoch = openEpoch(group, charter, certificate);
  const request = openRequest(envelopeIn('request'));
  const [statement] = prepareRequest({ epoch, request, documents: [] }).formats;
  if (statement === undefined) throw new Error('the golden request has one format');
  const commitment = openCommitment(envelopeIn('commitment'), charter);
  const { epoch: hash, channelKey, requestDigest, stage, messages } = commitment.payload;
  const attempt = attemptId({ epoch: hash, channelKey, requestDigest, stage, messages: messages ?? [] }, [commitment]);
  const nonces = ['01', '02', '03'].map((byte) => byte.repeat(32));
  const agreed = { charter: charter.hash, requesters: sha256Hex(requesters.bytes), import: null };
  const { transcript } = certificate;

  return `## 15. A worked example

All bytes here are those of the golden files in \`test/vectors/protocol\`, and a test writes this section from them. Long lines
are broken after ${lineCharacters} characters; the bytes have no such breaks. Identities are Ed25519 keys whose seeds are 32 bytes of 01
(alice), 02 (bob), 03 (builder) and 04 (dev). In messages of a ceremony and of a round, bytes such as \`cece…\` and \`dddd…\` take
the place of another thing's name.

**The charter** is \`charter.yaml\`: three members, two channels. Its name is the SHA-256 of the file.

${block(
  `charter    ${charter.hash}`,
  ...charter.members.map(({ identifier, name, tier, key }) => `member ${identifier}     ${name}, ${tier}, ${key}`),
  ...charter.channels.map(
    ({ name, sharings }) =>
      `${name.padEnd(13)}${sharings.map(({ tier, threshold, members }) => `${tier ?? 'any'}: ${threshold} of the members ${members.join(', ')}`).join('; ')}`,
  ),
)}

**The requesters** are \`requesters.yaml\`; what is hashed and signed is this canonical JSON (section 2.3).

${block(`payload    ${new TextDecoder().decode(requesters.bytes)}`, `hash       ${agreed.requesters}`)}

**The ceremony** begins with a hello of each member. This is one of alice's.

${signed('ceremony-hello')}

With the nonces 0101…, 0202… and 0303… under the two hashes above, the ceremony is

${block(`ceremony   ${ceremonyId(agreed, nonces)}`)}

A commit, a reveal, boxes, the transcript's signature and \`stored\` follow, each signed in the same way.

${['commit', 'reveal', 'boxes', 'transcript', 'stored'].map((kind) => signed(`ceremony-${kind}`)).join('\n\n')}

**The certificate** holds a transcript of another ceremony under this charter, which three members have signed. Its hash names the
epoch, and the key of its production channel is the group's.

${block(
  `ceremony   ${transcript.ceremony}`,
  `epoch      ${epoch.hash}`,
  ...epoch.charter.channels.map(({ name }) => `key        ${name}: ${epoch.channel(name).key}`),
  `GROUP.pub  ${epoch.groupLine}`,
)}

**A request** of dev. Its digest is the tagged hash \`request\` over dev's key and the payload (section 1.3).

${signed('request')}

${block(`digest     ${request.digest}`)}

**The message** that the quorum signs for the format \`native\` follows from the request alone (section 6.1).

${block(
  `payload    ${new TextDecoder().decode(statement.state['payload'] as Uint8Array)}`,
  `message    ${statement.message.length} bytes, of which the SHA-256 is ${sha256Hex(statement.message)}`,
)}

**A package** is a list of signed commitments. This one is alice's, for other messages; a package with it alone would be the attempt

${signed('commitment')}

${block(`attempt    ${attempt}`)}

**A share** answers a package.

${signed('signature-share')}

**The bundle** is \`statement.json\` in the envelope of section 12: the message above, signed under the group's key by shares of
the admins and the build server, as one ordinary Ed25519 signature (R ‖ z).

${signed('statement')}

${block(`signature  ${bytesToHex(decodeBase64(envelopeIn('statement').signatures[0].sig))}`)}
`;
}
