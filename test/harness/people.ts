/** Members, requesters and charters for tests: real identity keys, real cards, real files. */
import { createPrivateKey, createPublicKey, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { encodeCard, type CardRole } from '../../protocol/files/card.ts';
import { decodeCharter, type Charter } from '../../protocol/files/charter.ts';
import { keyId, type Identity } from '../../protocol/wire/envelope.ts';

export interface Person extends Identity {
  readonly name: string;
  /** Identity key, base64url. */
  readonly key: string;
  card(role: CardRole): string;
  /** A copy of the identity's seed. */
  seed(): Uint8Array;
}

export function person(name: string): Person {
  return fromKey(name, generateKeyPairSync('ed25519').privateKey);
}

/** The same person every time: only for golden files. */
export function personFromSeed(name: string, seed: number): Person {
  const der = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), Buffer.alloc(32, seed)]);
  return fromKey(name, createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }));
}

function fromKey(name: string, privateKey: KeyObject): Person {
  const spki = createPublicKey(privateKey).export({ format: 'der', type: 'spki' });
  const identity: Identity = {
    publicKey: new Uint8Array(spki.subarray(-32)),
    sign: (message) => new Uint8Array(sign(null, message, privateKey)),
  };
  return {
    ...identity,
    name,
    key: keyId(identity.publicKey),
    card: (role) => encodeCard(role, name, identity),
    seed: () => Uint8Array.from(privateKey.export({ format: 'der', type: 'pkcs8' }).subarray(16)),
  };
}

export interface CharterPlan {
  /** Tier of each member, in order: `['admin', 'admin', 'build']`. */
  readonly tiers: readonly string[];
  readonly production: string;
  readonly development?: string;
  /** `{ userId: …, created: … }` */
  readonly openpgp?: string;
  /** The line of GROUP.pub that the charter goes on with. */
  readonly continues?: string;
}

/** A charter as somebody would write it, with one person for each tier entry, named `admin-1`, `build-2`, … after tier and place, unless they are given. */
export function writeCharter(
  plan: CharterPlan,
  people: readonly Person[] = plan.tiers.map((tier, index) => person(`${tier}-${index + 1}`)),
): {
  readonly people: readonly Person[];
  readonly text: string;
  readonly charter: Charter;
} {
  const members = people.map(
    (who, index) => `  - { name: ${who.name}, tier: ${plan.tiers[index]!}, card: "${who.card('member')}" }`,
  );
  const development =
    plan.development === undefined ? '' : `  development: { quorum: ${plan.development}, expiry: 1h, validity: 90d }\n`;
  const openpgp = plan.openpgp === undefined ? '' : `openpgp: ${plan.openpgp}\n`;
  const continues = plan.continues === undefined ? '' : `continues: ${plan.continues}\n`;
  const text = `version: 1\ngroup: acme\n${continues}members:\n${members.join('\n')}\nchannels:\n  production: { quorum: ${plan.production}, expiry: 72h }\n${development}${openpgp}`;
  return { people, text, charter: decodeCharter(new TextEncoder().encode(text), 'charter.yaml') };
}
