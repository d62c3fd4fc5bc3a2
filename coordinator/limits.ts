/** Every bound of the coordinator, with its unit and reason. */
import { maxDocumentBytes, maxFrameBytes, maxRequestBytes } from '../protocol/limits.ts';

/** What depends on the machine and the network; `startCoordinator` takes other values. */
export const defaultLimits = {
  /** Milliseconds until a request's head must be here: a slow phone line, not a slow attack. */
  headersTimeoutMs: 10_000,
  /** Milliseconds until a request's body must be here, too: 11 MiB of group over a slow line. */
  requestTimeoutMs: 60_000,
  /** Milliseconds between looks for connections past those. */
  connectionsCheckMs: 2_000,
  /** Milliseconds an idle connection stays open: a client's next call comes at once or not soon. */
  keepAliveMs: 10_000,
  /** Milliseconds for a TLS handshake. */
  handshakeTimeoutMs: 10_000,
  /** TCP connections that nobody has authenticated; the oldest goes when one more comes, for an honest login takes milliseconds. */
  maxUnauthenticatedSockets: 512,
  /** TCP connections in all: 16 groups of 128 members and their clients. */
  maxSockets: 8192,
  /** Milliseconds between pings; a member that has not answered the last one is cut. */
  pingMs: 15_000,
  /** Milliseconds between comments on a live stream, so that both ends see a dead line. */
  streamCommentMs: 15_000,
  /** Milliseconds a live stream may refuse to take a byte. */
  streamStalledMs: 30_000,
  /** Milliseconds after which an attempt without progress lets spare members be used. */
  stallAfterMs: 1_000,
  /** Milliseconds for calls under way when the coordinator stops. */
  closeWithinMs: 2_000,
  /** Seconds a challenge waits for its answer. */
  challengeSeconds: 60,
  /** Seconds a token is good for. */
  tokenSeconds: 12 * 3600,
  /** Challenges that wait: a thousand logins a minute and more. */
  maxChallenges: 4096,
  /** Tokens of one identity: a daemon and a few commands; the oldest goes. */
  maxTokensPerIdentity: 16,
  /** Challenges and logins a second from one address, and how many at once: every one costs a signature. */
  loginsPerSecond: 50,
  loginBurst: 200,
  /** Calls a second of one identity, and how many at once. */
  callsPerSecond: 100,
  callBurst: 400,
  /** Calls of one identity that are under way at once, live streams among them: who sends or reads slowly holds up only itself. */
  maxCallsAtOnce: 64,
  /** Milliseconds without a byte in either direction before a connection is cut. */
  idleTimeoutMs: 60_000,
  /** Frames a second of one member, and how many at once: each costs a signature check, about 0.2 ms. */
  framesPerSecond: 500,
  frameBurst: 1_000,
  /** Live streams of one identity. */
  maxStreamsPerIdentity: 32,
  /** Pending rounds that one identity asked for (T33), and of one group. */
  maxPendingPerAsker: 64,
  maxPendingPerGroup: 512,
} as const;

/** Values for the bounds of `defaultLimits`. */
export type Limits = { readonly [K in keyof typeof defaultLimits]: number };

/** Bytes of the body of a challenge or login: a login takes about 1.5 KiB. */
export const maxLoginBodyBytes = 16 * 1024;
/** Bytes of a submission: a request in base64. */
export const maxSubmitBodyBytes = Math.ceil((maxRequestBytes * 4) / 3) + 4096;
/** Bytes of a document's body. */
export const maxDocumentBodyBytes = maxDocumentBytes;
/** Bytes of a cancellation. */
export const maxCancelBodyBytes = 8 * 1024;
/** Levels of any JSON body; a certificate in a group is base64. */
export const maxBodyDepth = 12;

/** Fragments of one WebSocket message: our own clients send one. */
export const maxFragments = 64;
/** Pieces in which one frame may come off the wire: 0.5 MiB in segments of 1448 bytes, five times over. */
export const maxBufferedChunks = 2048;
/** Bytes that wait for a member that does not read: some packages and a part of a ceremony. */
export function maxBufferedBytes(members: number): number {
  return 16 * maxFrameBytes(members);
}
/** Frames of one member that wait for their turn before no more are read from its socket. */
export const maxWaitingFrames = 64;
/** Events that wait in one round: several of every member. */
export const maxQueuedEvents = 4096;

/** Versions of one ceremony message that are kept and relayed: two are a proof, more prove nothing more. */
export const maxVersions = 2;
/** Ceremonies of one member whose messages are kept: each restart of anybody's join begins a new one. */
export const maxCeremoniesPerMember = 16;
/** Ceremony messages that one member may have stored for one charter. */
export const maxCeremonyMessagesPerMember = 2048;
/** Decisions of one member in one round that are stored. */
export const maxDecisionsPerMember = 64;
/** Delegations kept for one channel: the newest, and the one before while the newest is not yet valid. */
export const maxDelegationsPerChannel = 2;

/** Rounds in one answer, newest first. */
export const maxListedRounds = 50;
/** Bytes after which such an answer stops, half of what clients take. */
export const maxListedBytes = 8 * 1024 * 1024;
/** Finished rounds whose bodies stay in memory: what clients still look at. */
export const maxRememberedRounds = 256;
/** Attempts shown in a round's body. */
export const maxShownAttempts = 256;

/** Bytes written to the store in one batch, so that one large group does not hold up the others for long. */
export const maxBatchBytes = 8 * 1024 * 1024;
/** Milliseconds a record that nobody waits for may wait for company. */
export const lazyWriteMs = 1_000;

/** Milliseconds a timer can wait at most (2^31 - 1), less a little. */
export const longestTimerMs = 2_000_000_000;
/** Bytes of a TLS certificate chain or key file. */
export const maxTlsFileBytes = 256 * 1024;
/** Incarnations of one member that are remembered: each restore begins one. */
export const maxIncarnations = 256;
/** Heads of one member that were replaced lately: as many as a burst of rounds moves it on. */
export const maxRecentHeads = 64;
/** Milliseconds by which a frame may overtake a login of the same daemon. */
export const overtakenMs = 5_000;
