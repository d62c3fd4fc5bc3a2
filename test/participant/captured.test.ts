/** What the network, the coordinator and a later thief can make of a ceremony: every byte that passed, and everything that was stored. */
import { createHash, createPrivateKey, createPublicKey, randomFillSync } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { boxHeader } from '../../protocol/ceremony/dealing.ts';
import { openCeremonyMessage, type CeremonyKind, type CeremonyMessageOf } from '../../protocol/ceremony/messages.ts';
import { hexToBytes } from '../../protocol/wire/bytes.ts';
import { decodeCertificate } from '../../protocol/ceremony/certificate.ts';
import type { Charter, Member } from '../../protocol/files/charter.ts';
import { testingOnlyMemory } from '../../protocol/frost/group-sodium.ts';
import type { BoxKey, SealingGroup, Secret } from '../../protocol/frost/group.ts';
import { loadLibsodium } from '../../protocol/frost/libsodium.ts';
import { maxFrameBytes } from '../../protocol/limits.ts';
import { decodeMemberFrame } from '../../protocol/wire/frames.ts';
import { openShares } from '../harness/shares.ts';
import { Vault } from '../../participant/vault.ts';
import { epochFile } from '../harness/home-files.ts';
import { startProcess } from '../harness/coordinator-server.ts';
import { tracesOf, WindowSearch } from '../harness/traces.ts';
import { Wiretap } from '../harness/wiretap.ts';
import { ageChildPath, TestGroup, useParticipants } from './support.ts';

useParticipants();

type Places = ReadonlyMap<string, Uint8Array>;

/** Every secret of every member, copied when it came into being. */
class Witness {
  readonly groups: SealingGroup[] = [];
  readonly secrets = new Map<string, Uint8Array>();
  /** One-time secret keys by their public keys, hex. */
  readonly boxKeys = new Map<string, Uint8Array>();
  readonly counts = new Map<string, number>();

  watch(arithmetic: SealingGroup): void {
    this.groups.push(arithmetic);
    const note = (kind: string, secret: Secret | BoxKey): Uint8Array => {
      const count = (this.counts.get(kind) ?? 0) + 1;
      this.counts.set(kind, count);
      let copy = new Uint8Array();
      // A handle is a handle: this copies before it first waits.
      void arithmetic.exportSecret(secret, (bytes) => {
        copy = bytes.slice();
        return Promise.resolve();
      });
      this.secrets.set(`${kind} ${count}`, copy);
      return copy;
    };
    for (const [name, kind] of [
      ['randomSecret', 'coefficient or proof nonce'],
      ['makeNonce', 'signing nonce'],
      ['evaluatePolynomial', 'dealt share'],
      ['sum', 'sum'],
    ] as const) {
      const real = arithmetic[name].bind(arithmetic) as (...args: unknown[]) => Secret;
      vi.spyOn(arithmetic, name).mockImplementation((...args: unknown[]) => {
        const secret = real(...args);
        note(kind, secret);
        return secret;
      });
    }
    const makeBoxKey = arithmetic.makeBoxKey.bind(arithmetic);
    vi.spyOn(arithmetic, 'makeBoxKey').mockImplementation(() => {
      const key = makeBoxKey();
      this.boxKeys.set(Buffer.from(key.publicKey).toString('hex'), note('one-time key', key));
      return key;
    });
  }
}

/** One ceremony of a coordinator process and three members, and all that is left of it. */
interface Captured {
  readonly charter: Charter;
  readonly wire: Places;
  readonly coordinatorDisk: Places;
  readonly memberDisks: Places;
  readonly sent: readonly Uint8Array[];
  readonly witness: Witness;
  /** The shares as their keystores give them, by member and channel. */
  readonly shares: ReadonlyMap<string, Uint8Array>;
  readonly epochHash: string;
  readonly identitySeeds: ReadonlyMap<string, Uint8Array>;
  /** Secrets that were in a member's memory when its share was certified, beyond the shares themselves. */
  readonly heldWhenCertified: readonly string[];
}

const captured = {} as { all: Captured };

async function filesBelow(folder: string): Promise<Map<string, Uint8Array>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return new Map(await Promise.all(files.map(async (file) => [file, await readFile(file)] as const)));
}

async function capture(): Promise<Captured> {
  const witness = new Witness();
  const open = Vault.open.bind(Vault);
  vi.spyOn(Vault, 'open').mockImplementation(async (charter, self) => {
    const vault = await open(charter, self);
    witness.watch(vault.testingOnlyArithmetic);
    return vault;
  });
  await using tap = await Wiretap.open();
  await using group = await TestGroup.create({
    tiers: ['build', 'admin', 'admin'],
    production: '{ any: 2 }',
    development: '{ admin: 2 }',
  });
  await group.coordinator.close();
  const coordinator = await startProcess(group.coordinatorHome, 0, {}, undefined, tap.url);
  tap.target = { host: '127.0.0.1', port: coordinator.port };
  const heldWhenCertified: string[] = [];
  try {
    const lines = await Promise.all(
      group.members.map((member) =>
        group.join(member, {
          coordinator: coordinator.url,
          progress: (event) => {
            if (event.kind !== 'certified') return;
            const search = new WindowSearch(witness.secrets);
            for (const one of witness.groups) heldWhenCertified.push(...search.in(testingOnlyMemory(one)));
          },
        }),
      ),
    );
    expect(new Set(lines.map(({ groupLine }) => groupLine)).size).toBe(1);
  } finally {
    coordinator.process.kill('SIGTERM');
    await coordinator.exited;
  }
  const shares = new Map<string, Uint8Array>();
  const identitySeeds = new Map<string, Uint8Array>();
  const memberDisks = new Map<string, Uint8Array>();
  for (const { name, home } of group.members) {
    for (const [path, bytes] of await filesBelow(home)) memberDisks.set(path, bytes);
    const file = (await readdir(home)).find((entry) => entry.startsWith('share-'))!;
    const opened = await openShares({
      path: join(home, file),
      passphrase: { file: group.passphrasePath },
      childPath: ageChildPath(),
    });
    for (const share of opened.shares)
      shares.set(
        `share of ${name} for ${share.channel}`,
        share.take((bytes) => bytes.slice()),
      );
    const { d = '' } = createPrivateKey(await readFile(join(home, 'identity.pem'))).export({ format: 'jwk' });
    identitySeeds.set(name, Buffer.from(d, 'base64url'));
  }
  const certificate = decodeCertificate(
    await readFile(join(group.members[0]!.home, epochFile(group.members[0]!.home, 'certificate'))),
  );
  return {
    charter: group.charter,
    wire: tap.captured(),
    coordinatorDisk: await filesBelow(group.coordinatorHome),
    memberDisks,
    sent: tap.messages('up'),
    witness,
    shares,
    epochHash: certificate.transcriptHash,
    identitySeeds,
    heldWhenCertified,
  };
}

beforeAll(async () => {
  captured.all = await capture();
}, 120_000);
afterAll(() => {
  vi.restoreAllMocks();
});

/** What was said of one kind, as it passed, each message once. */
function said<K extends CeremonyKind>(kind: K): CeremonyMessageOf<K>[] {
  const messages = new Map<string, CeremonyMessageOf<K>>();
  const { charter, sent } = captured.all;
  for (const bytes of sent) {
    const frame = decodeMemberFrame(bytes, maxFrameBytes(charter.members.length));
    if (frame.type !== 'ceremony') continue;
    const message = openCeremonyMessage(frame.message, charter);
    if (message.kind === kind) messages.set(`${message.from.name} ${message.hash}`, message as CeremonyMessageOf<K>);
  }
  return [...messages.values()];
}

interface CapturedBox {
  readonly from: Member;
  readonly to: Member;
  readonly box: Uint8Array;
  /** The receiver's one-time public key, as it was revealed. */
  readonly key: Uint8Array;
}

function capturedBoxes(): CapturedBox[] {
  const { charter } = captured.all;
  const reveals = said('reveal');
  return said('boxes').flatMap(({ from, payload }) =>
    payload.boxes.map(({ to, box }) => {
      const receiver = charter.members[to - 1]!;
      const reveal = reveals.find((candidate) => candidate.from.identifier === receiver.identifier)!;
      return {
        from,
        to: receiver,
        box: Buffer.from(box, 'base64'),
        key: hexToBytes(reveal.payload.encryptionKey),
      };
    }),
  );
}

/** `crypto_box_seal_open` with any secret key at all; `undefined` if it does not open. */
async function makeThief(): Promise<(box: Uint8Array, key: Uint8Array, secret: Uint8Array) => Uint8Array | undefined> {
  const { raw } = await loadLibsodium((count) => randomFillSync(new Uint8Array(new ArrayBuffer(count))));
  const [publicKey, secretKey, input, output] = [32, 32, 4096, 4096].map((bytes) => raw._malloc(bytes)) as [
    number,
    number,
    number,
    number,
  ];
  return (box, key, secret) => {
    raw.HEAPU8.set(key, publicKey);
    raw.HEAPU8.set(secret, secretKey);
    raw.HEAPU8.set(box, input);
    if (raw._crypto_box_seal_open(output, input, box.length, 0, publicKey, secretKey) !== 0) return undefined;
    return raw.HEAPU8.slice(output, output + box.length - 48);
  };
}

/** The X25519 key that an Ed25519 seed makes (the first half of its SHA-512, clamped by X25519 itself; RFC 8032, Section 5.1.5). */
function asEncryptionKey(seed: Uint8Array): Uint8Array {
  return createHash('sha512').update(seed).digest().subarray(0, 32);
}

/** RFC 7748, Section 6.1. */
function x25519PublicKey(secret: Uint8Array): Uint8Array {
  const der = Buffer.concat([Buffer.from('302e020100300506032b656e04220420', 'hex'), secret]);
  const spki = createPublicKey(createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }));
  return new Uint8Array(spki.export({ format: 'der', type: 'spki' }).subarray(-32));
}

describe('a captured ceremony (T17)', () => {
  it('is all there: every message of every member, the ciphertexts, and what the search must find', () => {
    const { charter, wire, coordinatorDisk, epochHash, witness } = captured.all;
    for (const kind of ['hello', 'commit', 'reveal', 'boxes', 'transcript', 'stored'] as const)
      expect(new Set(said(kind).map(({ from }) => from.identifier)).size, kind).toBe(charter.members.length);
    const boxes = capturedBoxes();
    expect(boxes).toHaveLength(6);
    // Public, and known to pass: written as hex or base64, in JSON, in base64, in JSON, behind a mask.
    const passed = new Map([
      ['the transcript hash', hexToBytes(epochHash)],
      ...boxes.map(({ box }, index) => [`box ${index}`, box] as const),
    ]);
    for (const places of [wire, coordinatorDisk])
      expect(new Set(tracesOf(passed, places).map(({ secret }) => secret))).toEqual(new Set(passed.keys()));
    const masked = tracesOf(passed, wire).filter(({ place }) => / up, unmasked$/.test(place));
    expect(new Set(masked.map(({ secret }) => secret)).size).toBe(passed.size);
    // What nobody but its member may ever see: 3 members with 2 coefficients for production, 2 of them with 2 more for development.
    expect(witness.counts.get('one-time key')).toBe(3);
    expect(witness.counts.get('dealt share')).toBe(3 * 3 + 2 * 2);
    // Of what was dealt, and once more as a copy that is kept.
    expect(witness.counts.get('sum')).toBe(2 * (3 + 2));
    expect(witness.counts.get('coefficient or proof nonce')).toBeGreaterThanOrEqual(10);
    expect(witness.counts.get('signing nonce')).toBeGreaterThan(0);
  });

  it('shows no share, dealt share, polynomial, nonce or one-time key, neither on the wire nor in the coordinator’s home', () => {
    const { wire, coordinatorDisk, witness, shares } = captured.all;
    expect(shares.size).toBe(5);
    const secrets = new Map([...witness.secrets, ...shares]);
    expect(tracesOf(secrets, wire)).toEqual([]);
    expect(tracesOf(secrets, coordinatorDisk)).toEqual([]);
  });

  it('leaves nothing open on the members’ own disks either', () => {
    const { memberDisks, witness, shares } = captured.all;
    expect([...memberDisks.keys()].filter((path) => path.includes('/share-'))).toHaveLength(3);
    expect(tracesOf(new Map([...witness.secrets, ...shares]), memberDisks)).toEqual([]);
  });

  it('does not open for a thief with every identity key, who could open it with the one-time keys', async () => {
    const { witness, identitySeeds } = captured.all;
    const open = await makeThief();
    const { ceremony } = said('boxes')[0]!.payload;
    expect(identitySeeds.size).toBe(3);
    const stolen = [...identitySeeds.values()].flatMap((seed) => [seed, asEncryptionKey(seed)]);
    for (const { box, from, to, key } of capturedBoxes()) {
      for (const secret of stolen)
        for (const publicKey of [key, x25519PublicKey(secret)]) expect(open(box, publicKey, secret)).toBeUndefined();
      // The same attempt with the key that is gone by now: header, then the dealt shares.
      const plain = open(box, key, witness.boxKeys.get(Buffer.from(key).toString('hex'))!)!;
      const header = boxHeader(ceremony, from, to);
      expect(plain.subarray(0, header.length)).toEqual(header);
      const dealt = new Map([...witness.secrets].filter(([name]) => name.startsWith('dealt share')));
      expect(tracesOf(dealt, new Map([['box', plain]])).length).toBe((plain.length - header.length) / 32);
    }
  });

  it('has erased its one-time keys and polynomials by the time the key is certified, and everything at the end', () => {
    const { witness, heldWhenCertified } = captured.all;
    expect(witness.groups).toHaveLength(3);
    // The members that were certified first look at the memory of all: only sums, the shares, may be there.
    expect(heldWhenCertified.length).toBeGreaterThan(0);
    expect(heldWhenCertified.filter((name) => !/^(sum|signing nonce) /.test(name))).toEqual([]);
    const search = new WindowSearch(witness.secrets);
    for (const arithmetic of witness.groups) expect([...search.in(testingOnlyMemory(arithmetic))]).toEqual([]);
  });
});
