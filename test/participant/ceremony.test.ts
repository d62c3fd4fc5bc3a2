/** The ceremony's driver over real vaults and journals: a member killed at every step, and whoever disturbs. */
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { hexToBytes, sha256Hex } from '../../protocol/wire/bytes.ts';
import { ceremonyMessageType, openCeremonyMessage, revealMessage } from '../../protocol/ceremony/messages.ts';
import { type Certificate } from '../../protocol/ceremony/certificate.ts';
import { assertAllStored, openEpoch } from '../../protocol/ceremony/epoch.ts';
import { transcriptHash, type Transcript } from '../../protocol/ceremony/transcript.ts';
import type { Charter } from '../../protocol/files/charter.ts';
import { sealMessage, type Envelope } from '../../protocol/wire/envelope.ts';
import { emptyRequesters, type Requesters } from '../../protocol/files/requesters.ts';
import type { OpenedShares } from '../../home/keystore.ts';
import { Ceremony, type CeremonyResult } from '../../participant/ceremony.ts';
import { openJournal, type Journal } from '../../participant/journal.ts';
import { Records } from '../../participant/records.ts';
import { Vault } from '../../participant/vault.ts';
import { publicGroup } from '../harness/ceremony-network.ts';
import { writeCharter, type CharterPlan, type Person } from '../harness/people.ts';
import { hookedJournal, now, scratch } from './members.ts';

class Killed extends Error {}

/** What a daemon was doing when it was killed: the n-th thing that leaves a trace, before or after the trace was left. */
interface Kill {
  readonly at: number;
  readonly when: 'before' | 'after';
}

class Site {
  readonly name: string;
  readonly person: Person;
  readonly folder: string;
  readonly network: Network;
  readonly inbox: Envelope[] = [];
  /** The disk, besides the journal. */
  readonly shareFiles = new Map<
    string,
    { channel: string; sharing: number; identifier: number; scalar: Uint8Array }[]
  >();
  readonly certificates = new Map<string, Certificate>();
  result: CeremonyResult | undefined;
  failure: unknown;
  /** Whose hello is of other files. */
  strange: readonly string[] = [];
  traces: string[] = [];
  kill: Kill | undefined;
  ceremony: Ceremony | undefined;
  vault: Vault | undefined;
  journal: Journal | undefined;
  records: Records | undefined;
  requesters: Requesters;

  constructor(network: Network, person: Person, folder: string) {
    this.network = network;
    this.person = person;
    this.name = person.name;
    this.folder = folder;
    this.requesters = emptyRequesters(network.charter);
  }

  /** Runs one thing that leaves a trace; the killed daemon leaves no more. */
  async trace(what: string, leave: () => Promise<void> | void): Promise<void> {
    const isLast = this.kill?.at === this.traces.push(what) - 1;
    if (isLast && this.kill?.when === 'before') throw new Killed(what);
    await leave();
    if (isLast) throw new Killed(what);
  }

  async start(): Promise<void> {
    const { charter } = this.network;
    const self = charter.members.find(({ key }) => key === this.person.key)!;
    const journal = await openJournal(join(this.folder, 'journal'), { mustExist: false });
    this.journal = journal;
    const records = await Records.open(
      hookedJournal(journal, (record, next) =>
        record.type === 'incarnation' ? next() : this.trace(`record ${record.type}`, next),
      ),
      now,
    );
    this.records = records;
    const vault = await Vault.open(charter, self);
    this.vault = vault;
    const { current, signed } = records.ceremonies;
    const transcript = signed.get(current ?? '')?.transcript;
    if (transcript !== undefined) vault.load(this.openShares(transcript), transcript);
    this.failure = undefined;
    const ceremony = new Ceremony({
      agreement: { charter, requesters: this.requesters, imported: undefined, self },
      identity: this.person,
      vault,
      records,
      held: new Map(this.certificates),
      isCandidate: this.result !== undefined && this.result.certificate.ceremony === current,
      loadShare: (of) => {
        vault.load(this.openShares(of), of);
        return Promise.resolve();
      },
      show: () => undefined,
      storeShare: (transcript) => this.trace('share file', () => this.storeShare(transcript, vault)),
      storeCertificate: (certificate) =>
        this.trace('certificate file', () => {
          this.certificates.set(certificate.ceremony, certificate);
        }),
      storeEvidence: (_ceremony, { messages }) => Promise.resolve(`evidence of ${messages.length} messages`),
      send: (message) => {
        const { kind } = openCeremonyMessage(message, charter);
        const isLast = this.kill?.at === this.traces.push(`send ${kind}`) - 1;
        if (isLast && this.kill?.when === 'before') throw new Killed(kind);
        this.network.broadcast(message);
        if (isLast) throw new Killed(kind);
      },
      progress: ({ strange }) => {
        this.strange = strange.map(({ from }) => from);
      },
      finished: (result) =>
        this.trace('stored file', () => {
          this.result = result;
        }),
      failed: (error) => {
        this.failure ??= error;
      },
      log: () => undefined,
    });
    this.ceremony = ceremony;
    await ceremony.start();
    this.inbox.push(...this.network.backlog());
    for (const message of ceremony.said()) this.network.broadcast(message);
  }

  async storeShare(transcript: Transcript, vault: Vault): Promise<void> {
    const file = [];
    for (const share of vault.sharesToSeal()) {
      const { channel, sharing, identifier } = share;
      let scalar = new Uint8Array();
      await share.export((bytes) => {
        scalar = bytes.slice();
        return Promise.resolve();
      });
      file.push({ channel, sharing, identifier, scalar });
    }
    expect(this.shareFiles.has(transcriptHash(transcript))).toBe(false);
    this.shareFiles.set(transcriptHash(transcript), file);
  }

  openShares(transcript: Transcript): OpenedShares {
    const hash = transcriptHash(transcript);
    const shares = this.shareFiles.get(hash)!.map(({ scalar, ...label }) => ({
      ...label,
      take: <T>(load: (bytes: Uint8Array) => T): T => load(scalar.slice()),
    }));
    return { hash: hexToBytes(hash), shares };
  }

  get isDead(): boolean {
    return this.failure !== undefined || this.ceremony === undefined;
  }

  async stop(): Promise<void> {
    this.vault?.end();
    await this.journal?.close();
    this.ceremony = undefined;
    this.kill = undefined;
    this.inbox.length = 0;
  }
}

/** A relay that keeps what a coordinator keeps: the newest hello of each member, and every other message once. */
class Network {
  readonly charter: Charter;
  readonly sites: Site[] = [];
  readonly kept = new Map<string, Envelope>();
  deliver: (envelope: Envelope, to: Site) => Envelope | undefined = (envelope) => envelope;

  static async open(plan: CharterPlan): Promise<Network> {
    const { charter, people } = writeCharter(plan);
    const network = new Network(charter);
    for (const person of people) network.sites.push(new Site(network, person, await scratch()));
    onTestFinished(async () => {
      for (const site of network.sites) await site.stop();
    });
    return network;
  }

  constructor(charter: Charter) {
    this.charter = charter;
  }

  broadcast(envelope: Envelope): void {
    const message = openCeremonyMessage(envelope, this.charter);
    const name =
      message.kind === 'hello' ? `hello ${message.from.name}` : `${message.kind} ${message.from.name} ${message.hash}`;
    if (this.kept.get(name)?.payload === envelope.payload) return;
    this.kept.delete(name);
    this.kept.set(name, envelope);
    for (const site of this.sites) {
      const seen = site.isDead ? undefined : this.deliver(envelope, site);
      if (seen !== undefined) site.inbox.push(seen);
    }
  }

  backlog(): Envelope[] {
    return [...this.kept.values()];
  }

  /** Delivers until nothing is left to deliver. */
  async settle(): Promise<void> {
    for (let count = 0; count < 2000; count++) {
      const site = this.sites.find((candidate) => !candidate.isDead && candidate.inbox.length > 0);
      if (site === undefined) return;
      await site.ceremony!.receive(site.inbox.shift()!);
    }
    throw new Error('the network did not settle');
  }

  async run(): Promise<void> {
    for (const site of this.sites) await site.start();
    await this.settle();
  }
}

const plan = { tiers: ['a', 'a'], production: '{ any: 2 }', development: '{ any: 1 }' };

async function traceLength(): Promise<number> {
  const network = await Network.open(plan);
  await network.run();
  expect(network.sites.map(({ failure }) => failure)).toEqual([undefined, undefined]);
  expect(network.sites[0]!.traces).toEqual([
    'send hello',
    'record ceremony-joined',
    'send commit',
    'send reveal',
    'send boxes',
    'share file',
    'record ceremony-signed',
    'send transcript',
    'certificate file',
    'record ceremony-stored',
    'send stored',
    'stored file',
  ]);
  return network.sites[0]!.traces.length;
}

describe('a ceremony (T35)', () => {
  it('makes one key, and every member stores its share before it signs and the certificate before it says so', async () => {
    expect(await traceLength()).toBe(12);
  });

  // Before a trace is after the one before it: the disk cannot tell them apart.
  const kills: Kill[] = Array.from({ length: 12 }, (_, at) => ({ at, when: 'after' }));
  it.each(kills)(
    'in which a member is killed $when trace $at ends in one live key once it joins again',
    async (kill) => {
      const network = await Network.open(plan);
      const [victim, other] = network.sites;
      victim!.kill = kill;
      await network.run();
      expect(victim!.failure).toBeInstanceOf(Killed);
      const files = new Set(victim!.shareFiles.keys());
      await victim!.stop();
      await victim!.start();
      await network.settle();
      // The other one may have been told to begin anew; it goes on by itself.
      expect(network.sites.map(({ failure }) => failure)).toEqual([undefined, undefined]);
      const epochs = network.sites.map(({ result }) => {
        const epoch = openEpoch(publicGroup, network.charter, result!.certificate);
        assertAllStored(epoch, result!.stored);
        return epoch;
      });
      expect(epochs[0]!.hash).toBe(epochs[1]!.hash);
      // A share that was ever stored is still there, and the live one opens.
      for (const hash of files) expect(victim!.shareFiles.has(hash)).toBe(true);
      for (const site of [victim!, other!]) {
        const { transcript } = site.result!.certificate;
        const vault = await Vault.open(
          network.charter,
          network.charter.members.find(({ key }) => key === site.person.key)!,
        );
        vault.load(site.openShares(transcript), transcript);
        vault.end();
        // It is in this ceremony, and left every other.
        const { current, joined, left } = site.records!.ceremonies;
        expect(current).toBe(transcript.ceremony);
        expect([...joined].filter((ceremony) => !left.has(ceremony))).toEqual([transcript.ceremony]);
      }
    },
  );

  it('goes on by itself when both were killed after they had signed', async () => {
    const network = await Network.open(plan);
    for (const site of network.sites) site.kill = { at: 7, when: 'after' };
    await network.run();
    for (const site of network.sites) await site.stop();
    // The relay forgot everything, too.
    network.kept.clear();
    for (const site of network.sites) await site.start();
    await network.settle();
    expect(network.sites[0]!.result?.certificate.transcriptHash).toBe(
      network.sites[1]!.result!.certificate.transcriptHash,
    );
  });

  it('does not begin when somebody joined with another requesters file, tells who, and goes on when it comes back', async () => {
    const network = await Network.open(plan);
    network.sites[1]!.requesters = {
      ...network.sites[1]!.requesters,
      bytes: new TextEncoder().encode('{"version":1,"requesters":[ ]}'),
    };
    expect(sha256Hex(network.sites[1]!.requesters.bytes)).not.toBe(sha256Hex(network.sites[0]!.requesters.bytes));
    await network.run();
    expect(network.sites.map(({ strange }) => strange)).toEqual([['a-2'], ['a-1']]);
    expect(network.sites.flatMap(({ shareFiles }) => [...shareFiles])).toEqual([]);
    // The one that was right comes back first: what the relay still holds of the other ends nothing.
    network.sites[1]!.requesters = network.sites[0]!.requesters;
    for (const site of network.sites) {
      await site.stop();
      await site.start();
      await network.settle();
    }
    expect(network.sites.map(({ failure }) => failure)).toEqual([undefined, undefined]);
    expect(network.sites.every(({ result }) => result !== undefined)).toBe(true);
  });

  it('ends when a member reveals something else to one than to the others, with the proof', async () => {
    const network = await Network.open({ ...plan, tiers: ['a', 'a', 'a'] });
    let lied = false;
    network.deliver = (envelope, to) => {
      const message = openCeremonyMessage(envelope, network.charter);
      if (message.kind !== 'reveal' || message.from.name !== 'a-3' || to.name !== 'a-1') return envelope;
      lied = true;
      return sealMessage(
        revealMessage,
        { ...message.payload, encryptionKey: '11'.repeat(32) },
        network.sites[2]!.person,
      );
    };
    await network.run();
    expect(lied).toBe(true);
    expect(network.sites[0]!.failure).toMatchObject({ code: 'ceremony-failed', culprits: ['a-3'] });
    expect((network.sites[0]!.failure as Error).message).toContain('evidence of');
    expect(network.sites.every(({ result }) => result === undefined)).toBe(true);
  });

  it('ends when a member signs two hellos with one nonce, with the proof (T13, T45)', async () => {
    const network = await Network.open({ ...plan, tiers: ['a', 'a', 'a'] });
    for (const site of network.sites) await site.start();
    const said = network.backlog().map((envelope) => openCeremonyMessage(envelope, network.charter));
    const hello = said.find(({ kind, from }) => kind === 'hello' && from.name === 'a-3')!;
    const other = Object.fromEntries(Object.entries(hello.payload).reverse());
    const [victim, , liar] = network.sites;
    victim!.inbox.push(sealMessage<unknown>(ceremonyMessageType('hello'), other, liar!.person));
    await network.settle();
    expect(victim!.failure).toMatchObject({ code: 'ceremony-failed', culprits: ['a-3'] });
    expect((victim!.failure as Error).message).toContain('what was signed is in evidence of');
  });

  it('drops what is signed by no member, and what is no message of a ceremony', async () => {
    const network = await Network.open(plan);
    const { people } = writeCharter(plan);
    await network.sites[0]!.start();
    const stranger = sealMessage(
      revealMessage,
      { ceremony: '00'.repeat(32), encryptionKey: '00'.repeat(32), dealings: [] },
      people[0]!,
    );
    await network.sites[0]!.ceremony!.receive(stranger);
    await network.sites[0]!.ceremony!.receive({ ...stranger, payloadType: 'application/json' });
    await network.sites[1]!.start();
    await network.settle();
    expect(network.sites.map(({ failure }) => failure)).toEqual([undefined, undefined]);
    expect(network.sites[0]!.result).toBeDefined();
  });
});
