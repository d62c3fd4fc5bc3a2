/** The signer's machine over a real vault, with every effect failing in turn: machine, vault and journal never disagree. */
import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { prepareRequest } from '../../protocol/formats/index.ts';
import type { Request } from '../../protocol/request/request.ts';
import { openCommitment } from '../../protocol/signing/attempt.ts';
import type { SignerEvent } from '../../protocol/signing/signer.ts';
import { firstSubject } from '../../protocol/signing/stage.ts';
import { bytesToHex, utf8ToBytes } from '../../protocol/wire/bytes.ts';
import type { Envelope } from '../../protocol/wire/envelope.ts';
import type { MemberFrame } from '../../protocol/wire/frames.ts';
import type { Journal } from '../../participant/journal.ts';
import { Records, type MemberRecord } from '../../participant/records.ts';
import { Signing } from '../../participant/signing.ts';
import { Vault, type TakenNonces } from '../../participant/vault.ts';
import { documentRelease } from '../harness/signed-release.ts';
import { ceremonyRecords, commitmentOf, makeWorld, now, openedShares, type World } from './members.ts';

const notes = utf8ToBytes('Release notes of tool 1.0.0, which a person reads before approving.\nIt has two lines.\n');
let world: World;
let vault: Vault;

async function freshVault(): Promise<Vault> {
  const member = world.live.epoch.charter.members[0]!;
  const fresh = await Vault.open(world.live.epoch.charter, member);
  fresh.load(await openedShares(world.live, member), world.live.epoch.certificate.transcript);
  return fresh;
}

beforeAll(async () => {
  world = await makeWorld({ tiers: ['a', 'a', 'a'], production: '{ any: 2 }' });
  vault = await freshVault();
  return () => {
    vault.end();
  };
}, 60_000);

class Broken extends Error {}

/** One signer whose effects are counted, and of which one fails before it does anything. */
class Bench {
  readonly sent: MemberFrame[] = [];
  readonly warnings: string[] = [];
  readonly held = new Set<string>();
  readonly taken = new Map<TakenNonces, string>();
  readonly signed: string[] = [];
  readonly journal: MemberRecord[] = [];
  readonly request: Request;
  effects = 0;
  failAt = Infinity;
  free = Infinity;
  signing!: Signing;
  records!: Records;

  constructor(request: Request) {
    this.request = request;
  }

  static async open(failAt: number): Promise<Bench> {
    const request = documentRelease(world.live, 'production', ['ssh', 'minisign'], { kind: 'text', bytes: notes });
    const bench = new Bench(request);
    bench.records = await Records.open(bench.fakeJournal(), now);
    bench.failAt = bench.effects + failAt;
    const { epoch, people } = world.live;
    const prepared = prepareRequest({ epoch, request, documents: [notes] });
    bench.signing = new Signing(
      {
        self: epoch.charter.members[0]!,
        identity: people[0]!,
        vault: bench.watchedVault(),
        records: bench.records,
        send: (frame) => bench.sent.push(frame),
        log: (_level, event) => bench.warnings.push(event),
      },
      {
        request,
        expiresAt: now + 1000,
        context: {
          arithmetic: vault.arithmetic,
          epoch,
          self: epoch.charter.members[0]!,
          channel: 'production',
          subject: firstSubject(epoch, request, prepared),
          prepared,
          run: bytesToHex(randomBytes(16)),
        },
      },
    );
    return bench;
  }

  private effect(): void {
    this.effects += 1;
    if (this.effects === this.failAt) throw new Broken('this effect fails');
  }

  private fakeJournal(): Journal {
    return {
      records: [{ type: 'incarnation', incarnation: '00'.repeat(16) }, ...ceremonyRecords(world.live)],
      forgetRecords: () => undefined,
      bytes: 0,
      head: { length: 1, hash: '00'.repeat(32) },
      freeBytes: () => Promise.resolve(this.free),
      append: async (record: object) => {
        await Promise.resolve();
        this.effect();
        this.journal.push(record as MemberRecord);
      },
    } as unknown as Journal;
  }

  private watchedVault(): Vault {
    return {
      makeNonces: (...[channel, wanted, head]: Parameters<Vault['makeNonces']>) => {
        this.effect();
        const made = vault.makeNonces(channel, wanted, head);
        for (const { slot } of made) this.held.add(slot);
        return made;
      },
      take: (slot: string) => {
        this.effect();
        this.held.delete(slot);
        const taken = vault.take(slot);
        this.taken.set(taken, slot);
        return taken;
      },
      sign: (...[taken, sessions]: Parameters<Vault['sign']>) => {
        this.effect();
        this.signed.push(this.taken.get(taken)!);
        return vault.sign(taken, sessions);
      },
      discard: (taken: TakenNonces) => {
        this.taken.delete(taken);
        vault.discard(taken);
      },
      wipe: (slot: string) => {
        this.held.delete(slot);
        vault.wipe(slot);
      },
    } as unknown as Vault;
  }

  lastCommitment(): Envelope | undefined {
    const { charter } = world.live.epoch;
    return this.sent
      .flatMap((frame) => (frame.type === 'commitment' ? [frame.commitment] : []))
      .findLast((envelope) => openCommitment(envelope, charter).payload.stage === 1);
  }

  /** Feeds one event. A failing effect must leave nothing half done, whatever it was. */
  async feed(event: SignerEvent): Promise<boolean> {
    try {
      await this.signing.feed(event);
      return true;
    } catch (error) {
      if (!(error instanceof Broken)) throw error;
      return false;
    } finally {
      this.expectAgreement();
    }
  }

  expectAgreement(): void {
    const { state } = this.signing;
    const memory = this.records.roundOf(this.request.digest);
    expect([...state.held.values()].map(({ slot }) => slot).sort()).toEqual([...this.held].sort());
    expect(this.taken.size).toBe(0);
    expect(state.said).toEqual(memory.said);
    expect(state.serial).toBe(memory.said?.serial ?? 0);
    expect(state.decision).toBe(memory.said?.decision ?? 'none');
    expect([...state.attempts]).toEqual([...memory.attempts]);
    // What is said is on disk, and no pair signs twice.
    const stored = this.journal.flatMap((record) => (record.type === 'share' ? [record.share.attempt] : []));
    const shares = this.sent.filter(({ type }) => type === 'share');
    expect(new Set(shares.map((frame) => JSON.stringify(frame))).size).toBeLessThanOrEqual(stored.length);
    expect(new Set(this.signed).size).toBe(this.signed.length);
  }

  end(): void {
    for (const slot of [...this.held]) vault.wipe(slot);
  }
}

const steps = ['connected', 'disconnected', 'approve', 'refuse', 'package', 'again', 'replenish'] as const;

describe('a step that fails', () => {
  it('leaves machine and vault as they were, but for what the journal holds and nonces that were taken (T1)', async () => {
    const kinds = new Map<string, number>();
    const first = fc.constantFrom(['connected', 'approve'] as const, ['approve', 'connected'] as const);
    const script = fc.array(fc.constantFrom(...steps), { minLength: 2, maxLength: 14 });
    await fc.assert(
      fc.asyncProperty(first, script, fc.integer({ min: 1, max: 12 }), async (begin, events, failAt) => {
        const bench = await Bench.open(failAt);
        let last: SignerEvent | undefined;
        for (const kind of [...begin, ...events]) {
          const event = eventOf(bench, kind, last);
          if (event === undefined) continue;
          if (event.kind === 'package') last = event;
          if (await attempt(bench, event)) continue;
          kinds.set(event.kind, (kinds.get(event.kind) ?? 0) + 1);
          // Whoever is asked again goes on as if nothing had been.
          await attempt(bench, event);
        }
        bench.end();
      }),
      { numRuns: 100 },
    );
    // The fault really happened, in every kind of step that has effects which fail.
    for (const kind of ['connected', 'decide', 'package']) expect(kinds.get(kind) ?? 0, kind).toBeGreaterThan(0);
  });

  /** A decision that comes too late is refused before there is any effect. */
  async function attempt(bench: Bench, event: SignerEvent): Promise<boolean> {
    try {
      return await bench.feed(event);
    } catch (error) {
      if (event.kind !== 'decide' || event.decision !== 'refuse') throw error;
      expect(error).toMatchObject({ code: 'not-allowed' });
      return true;
    }
  }

  function eventOf(bench: Bench, kind: (typeof steps)[number], last: SignerEvent | undefined): SignerEvent | undefined {
    switch (kind) {
      case 'connected':
      case 'disconnected':
      case 'replenish':
        return { kind };
      case 'approve':
      case 'refuse':
        return { kind: 'decide', decision: kind, reason: null, nowUnixSeconds: now };
      case 'again':
        return last;
      case 'package': {
        const own = bench.lastCommitment();
        if (own === undefined) return undefined;
        const other = commitmentOf(world, bench.request, 2, {}, [notes]);
        return {
          kind: 'package',
          stage: 1,
          earlier: [],
          commitments: [own, other],
          obstacle: undefined,
          keptOut: undefined,
        };
      }
    }
  }
});

describe('room for both stages', () => {
  it('is there before nonces of either are made; without it the approval holds, and nonces follow when there is room (T43)', async () => {
    const bench = await Bench.open(Infinity);
    bench.free = 1000;
    await bench.feed({ kind: 'connected' });
    await bench.feed({ kind: 'decide', decision: 'approve', reason: null, nowUnixSeconds: now });
    expect(bench.signing.state.decision).toBe('approve');
    expect(bench.warnings).toEqual(['no-room']);
    expect(bench.held.size).toBe(0);
    bench.free = Infinity;
    await bench.feed({ kind: 'replenish' });
    expect(bench.held.size).toBe(2);
    await bench.feed({ kind: 'replenish' });
    expect(bench.held.size).toBe(2);
    bench.end();
  });

  it('is for all wanted slots or for none', async () => {
    const vault = await freshVault();
    const head = '00'.repeat(32);
    const slots = Array.from({ length: 1023 }, (_, index) => `filler-${index}`);
    for (const slot of slots) vault.makeNonces('production', [{ stage: 1, slot, pairs: 1 }], head);
    const both = [
      { stage: 1, slot: 'both-1', pairs: 1 },
      { stage: 2, slot: 'both-2', pairs: 1 },
    ] as const;
    expect(() => vault.makeNonces('production', both, head)).toThrow(expect.objectContaining({ code: 'no-room' }));
    expect(() => vault.take('both-1')).toThrow(expect.objectContaining({ code: 'nonces-gone' }));
    for (const slot of slots) vault.wipe(slot);
    // The arena has 16,384 slots, and every pair takes two.
    const large = [
      { stage: 1, slot: 'large-1', pairs: 8000 },
      { stage: 2, slot: 'large-2', pairs: 8000 },
    ] as const;
    expect(() => vault.makeNonces('production', large, head)).toThrow(expect.objectContaining({ code: 'no-room' }));
    expect(() => vault.take('large-1')).toThrow(expect.objectContaining({ code: 'nonces-gone' }));
    expect(vault.makeNonces('production', both, head)).toHaveLength(2);
    vault.end();
  });
});
