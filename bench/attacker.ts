/**
 * An attacker as a process of its own: `ATTACK URL GROUPKEY HOME CHARTERHASH`. It goes on until it is ended, as fast as it is let, and knows
 * nothing that somebody in its place would not know.
 */
import { randomBytes } from 'node:crypto';
import { Agent, request as httpRequest } from 'node:http';
import { setPriority } from 'node:os';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { CoordinatorClient } from '../client/client.ts';
import { parseCoordinatorUrl } from '../client/url.ts';
import { openHome } from '../home/home.ts';
import { loadIdentity } from '../home/identity.ts';
import { sha256Hex } from '../protocol/wire/bytes.ts';
import { blankRequest, documentEntry, requestMessage } from '../protocol/request/request.ts';
import { openGroup } from '../client/group.ts';
import { sealMessage } from '../protocol/wire/envelope.ts';
import type { MemberFrame } from '../protocol/wire/frames.ts';
import { parseGroupKey } from '../verifier/group-key.ts';
import { encodeBase64Url } from '../verifier/base64.ts';

/** What can be done to a coordinator from outside, and by those who have a key. */
export const attacks = ['challenges', 'logins', 'bodies', 'documents', 'lists', 'connects', 'frames'] as const;

/** The name of an attack. */
export type Attack = (typeof attacks)[number];

/** Whose key an attack is made with: nobody's, a requester's or a member's. */
export const attackers: Readonly<Record<Attack, 'nobody' | 'requester' | 'member'>> = {
  challenges: 'nobody',
  logins: 'nobody',
  bodies: 'requester',
  documents: 'requester',
  lists: 'requester',
  connects: 'member',
  frames: 'member',
};

const lanes = 32;
const MiB = 1024 * 1024;

/** What an attacker works with. */
interface Means {
  readonly base: string;
  readonly client: CoordinatorClient;
  readonly groupLine: string;
  readonly charter: string;
}

/** Sends one call and reads its answer away; a broken connection is no reason to stop. */
function call(means: Means, agent: Agent, head: string, body: Uint8Array, token?: string): Promise<number> {
  const [method = '', path = '', type = 'application/json'] = head.split(' ');
  const headers = {
    'content-type': type,
    'content-length': body.length,
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
  };
  return new Promise((resolve) => {
    const sent = httpRequest(means.base + path, { agent, method, headers }, (answer) => {
      answer.resume().once('close', () => resolve(answer.statusCode ?? 0));
    });
    sent.once('error', () => resolve(0)).end(method === 'GET' ? undefined : body);
  });
}

async function tokenOf({ client }: Means): Promise<string> {
  for (;;) {
    try {
      return (await client.login()).token;
    } catch {
      await nextTurn();
    }
  }
}

/** One turn of each attack. */
const turns: Readonly<Record<Attack, (means: Means, agent: Agent, token: string) => Promise<unknown>>> = {
  challenges: (means, agent) => call(means, agent, 'POST /v1/challenge', Buffer.from('{}')),
  logins: (means, agent) => {
    const key = encodeBase64Url(randomBytes(32));
    return call(means, agent, `POST /v1/login?key=${key}`, Buffer.from('{"login":{}}'));
  },
  bodies: async (means, agent, token) => {
    await call(means, agent, `PUT /v1/charters/${means.charter}/group`, Buffer.alloc(11 * MiB, '[]'), token);
    await call(means, agent, 'POST /v1/rounds', Buffer.alloc(170_000, '[],'), token);
  },
  documents: async (means, agent, token) => {
    const { client, groupLine } = means;
    const bytes = Buffer.from(`Origin: ${randomBytes(8).toString('hex')}\n`.padEnd(MiB - 1, 'SHA256:\n ') + '\n');
    const { key } = parseGroupKey(groupLine);
    const group = openGroup(await client.group(encodeBase64Url(key)), key);
    const payload = {
      ...blankRequest(group.epoch, 'release', Math.floor(Date.now() / 1000)),
      channel: 'development',
      formats: ['openpgp'],
      documents: [documentEntry('apt-release', bytes)],
    };
    const { digest } = await client.submit(sealMessage(requestMessage, payload, await identityOf()));
    const path = `PUT /v1/rounds/${digest}/documents/${sha256Hex(bytes)} application/octet-stream`;
    await call(means, agent, path, bytes, token);
  },
  lists: (means, agent, token) => {
    const groupKey = encodeBase64Url(parseGroupKey(means.groupLine).key);
    return call(means, agent, `GET /v1/rounds?groupKey=${groupKey}`, new Uint8Array(), token);
  },
  connects: (means, _agent, token) => socketTurn(means, token, 1),
  frames: (means, _agent, token) => socketTurn(means, token, 5_000),
};

/** Opens a member's socket, says what it holds so often, and breaks it. */
function socketTurn({ base }: Means, token: string, frames: number): Promise<void> {
  const socket = new WebSocket(`${base.replace(/^http/, 'ws')}/v1/members/socket`, {
    headers: { authorization: `Bearer ${token}` },
  });
  const holding: MemberFrame = { type: 'holding', epoch: null, requesters: 0 };
  const frame = JSON.stringify(holding);
  return new Promise((resolve) => {
    socket.once('open', () => {
      for (let count = 0; count < frames; count += 1) socket.send(frame);
      socket.once('message', () => socket.terminate());
    });
    socket.once('error', () => undefined).once('close', () => resolve());
  });
}

const [attack = '', url = '', groupLine = '', home = '', charter = ''] = process.argv.slice(2);

async function identityOf() {
  return loadIdentity(await openHome(attackers[attack as Attack] === 'member' ? 'participant' : 'requester', home));
}

async function main(): Promise<void> {
  // It would have a machine of its own: what it computes must not slow down those it attacks.
  setPriority(19);
  const known = attackers[attack as Attack];
  const parsed = parseCoordinatorUrl(url);
  const client = new CoordinatorClient({
    url: parsed,
    identity: await identityOf(),
    ...(known === 'member'
      ? { role: 'member', charter, journal: () => ({ incarnation: '00'.repeat(16), length: 0, head: '00'.repeat(32) }) }
      : { role: 'requester', groupKey: encodeBase64Url(parseGroupKey(groupLine).key) }),
  });
  const means: Means = { base: parsed.base, client, groupLine, charter };
  const token = known === 'nobody' ? '' : await tokenOf(means);
  const agent = new Agent({ keepAlive: true, maxSockets: lanes });
  process.stdout.write('attacking\n');
  const lane = async (): Promise<void> => {
    for (;;) {
      await turns[attack as Attack](means, agent, token).catch(() => undefined);
      await nextTurn();
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
}

if (process.argv[1]?.endsWith('attacker.js') === true) await main();
