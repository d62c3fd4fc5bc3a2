import { coordinatorGuards } from './coordinator.mjs';
import { formatGuards } from './formats.mjs';
import { importGuards } from './import.mjs';
import { openpgpGuards } from './openpgp.mjs';
import { participantGuards } from './participant.mjs';
import { protocolGuards } from './protocol.mjs';
import { recordGuards } from './record.mjs';
import { requesterGuards } from './requester.mjs';

/** Every guard with the smallest change that takes it out, and the test that must notice. `from` occurs exactly once in `file`. */

const signer = 'protocol/signing/signer.ts';
const round = 'protocol/signing/round.ts';
const ceremony = 'protocol/ceremony/machine.ts';
const hostile = 'test/scenario/hostile-coordinator.test.ts';
const rounds = 'test/scenario/round.test.ts';
const ceremonies = 'test/scenario/ceremony.test.ts';

export const guards = [
  {
    row: 'T1',
    what: 'a package takes its nonces out of memory',
    file: signer,
    from: "const taken: SignerStep = { state: { ...state, held: left }, effects: [{ kind: 'take', slot: held.slot }] };",
    to: "const taken: SignerStep = { state, effects: [{ kind: 'take', slot: held.slot }] };",
    test: hostile,
  },
  {
    row: 'T1',
    what: 'a burned attempt is never signed again',
    file: signer,
    from: 'if (burned !== undefined) {',
    to: 'if (burned !== undefined && attempt === undefined) {',
    test: hostile,
  },
  {
    row: 'T37',
    what: 'a second message is signed only behind first signatures that verify',
    file: signer,
    from: "if (!about.isFounded) return 'bad-package';",
    to: '',
    test: 'test/scenario/stages.test.ts',
    name: 'T37',
  },
  {
    row: 'T4',
    what: 'the own entry equals what is held',
    file: signer,
    from: "if (JSON.stringify(own?.payload) !== JSON.stringify(held)) return 'own-commitment-changed';",
    to: '',
    test: hostile,
    name: 'T4',
  },
  {
    row: 'T5',
    what: 'every co-signer committed for this very subject',
    file: signer,
    from: "if (!commitments.every(({ payload }) => isCommitmentFor(payload, about.subject))) return 'bad-package';",
    to: '',
    test: hostile,
    name: 'T5',
  },
  {
    row: 'T6',
    what: 'the set is exactly a minimal qualified one',
    file: signer,
    from: "return 'not-qualified';",
    to: 'return undefined;',
    test: hostile,
    name: 'T6',
  },
  {
    row: 'T7',
    what: 'the sender of a message is the key that signed it',
    file: 'protocol/wire/envelope.ts',
    from: 'if (!verifySignature(key, preAuthEncoding(decoded.payloadType, decoded.payload), decoded.signature)) {',
    to: 'if (decoded.signature.length !== 64) {',
    test: hostile,
    name: 'T7',
  },
  {
    row: 'T9',
    what: 'a share is verified as it comes',
    file: round,
    from: 'return right ? (scalars as Scalar[]) : undefined;',
    to: 'return scalars as Scalar[];',
    test: rounds,
    name: 'T9',
  },
  {
    row: 'T9',
    what: 'a silent signer does not stop the others',
    file: round,
    from: "return { state: setPhase(state, event.attempt, 'stalled'), effects: [] };",
    to: 'return { state, effects: [] };',
    test: rounds,
    name: 'T9',
  },
  {
    row: 'T9',
    what: 'lost and declined answers are counted',
    file: round,
    from: "out: losses > maxLosses ? 'losses' : member.out",
    to: 'out: member.out',
    test: rounds,
    name: 'lost answers, without evidence',
  },
  {
    row: 'T13',
    what: 'all sign one transcript, ciphertexts included',
    file: ceremony,
    from: "boxes: boxes[index]?.hash ?? '',",
    to: "boxes: '00'.repeat(32),",
    test: ceremonies,
    name: 'T13',
  },
  {
    row: 'T14',
    what: 'exactly t coefficients',
    file: 'protocol/frost/keygen.ts',
    from: 'if (encoded.length !== threshold || threshold < 1) return undefined;',
    to: '',
    test: ceremonies,
    name: 'T14',
  },
  {
    row: 'T15',
    what: 'a reveal is what was committed to',
    file: ceremony,
    from: 'if (commit?.payload.reveal !== reveal.hash) {',
    to: 'if (commit === undefined) {',
    test: ceremonies,
    name: 'T15',
  },
  {
    row: 'T15',
    what: 'the proof of knowledge is checked',
    file: 'protocol/ceremony/dealing.ts',
    from: 'if (!verifyDealing(group, commitments, hexToBytes(dealt.proof), dealer.identifier, context)) {',
    to: 'if (dealt.proof.length !== 128) {',
    test: ceremonies,
    name: 'T15',
  },
  {
    row: 'T16',
    what: 'a ceremony that was left is never entered again',
    file: ceremony,
    from: 'if (state.left.has(ceremony) || context.finished.has(ceremony)) return undefined;',
    to: '',
    test: ceremonies,
  },
  {
    row: 'T18',
    what: 'another requesters file is refused by name',
    file: ceremony,
    from: 'if (payload.requesters !== context.requesters) {',
    to: 'if (payload.requesters.length !== 64) {',
    test: ceremonies,
    name: 'T18',
  },
  {
    row: 'T31',
    what: "the asker's member is kept out of the set",
    file: signer,
    from: "if (event.keptOut !== undefined && signers.includes(event.keptOut)) return 'asker-in-set';",
    to: '',
    test: hostile,
    name: 'T31',
  },
  {
    row: 'T31',
    what: 'rights and freshness are judged again at signing',
    file: signer,
    from: 'if (event.obstacle !== undefined) return event.obstacle;',
    to: '',
    test: hostile,
    name: 'T31',
  },
  {
    row: 'T35',
    what: 'the key is not live before all hold the certificate',
    file: 'protocol/ceremony/certificate.ts',
    from: 'if (missing.size > 0) {',
    to: 'if (missing.size > 999) {',
    test: ceremonies,
    name: 'ends with one certificate',
  },
  ...protocolGuards,
  ...recordGuards,
  ...formatGuards,
  ...participantGuards,
  ...coordinatorGuards,
  ...openpgpGuards,
  ...importGuards,
  ...requesterGuards,
];
