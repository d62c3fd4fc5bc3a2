/** Every bound of the coordinator, with its unit and reason. */
import {
  maxCertificateBytes,
  maxClockSkewSeconds,
  maxExpirySeconds,
  maxDocumentBytes,
  maxFrameBytes,
  maxGroupDocumentBytes,
  maxRequestBytes,
  maxRequestersBytes,
} from '../protocol/limits.ts';

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
  /** Milliseconds between two states of a round that is pending, on one live stream: nobody reads faster, and a round has many in a moment. */
  streamPauseMs: 25,
  /** Milliseconds a live stream may refuse to take a byte. */
  streamStalledMs: 30_000,
  /** Milliseconds after which an attempt without progress lets spare members be used. */
  stallAfterMs: 1_000,
  /** Milliseconds after which shares that came are verified one by one, if the next ones do not come: more than a fast quorum takes in all. */
  checkAfterMs: 50,
  /** Milliseconds for which decisions wait to be stored together with what comes next: in a fast round that is its result. */
  decisionsWaitMs: 10,
  /** Milliseconds for calls under way when the coordinator stops. */
  closeWithinMs: 2_000,
  /** Seconds a challenge waits for its answer. */
  challengeSeconds: 60,
  /** Seconds a token is good for. */
  tokenSeconds: 12 * 3600,
  /** Tokens of one identity: a daemon and a few commands; the oldest goes. */
  maxTokensPerIdentity: 16,
  /**
   * What one identity may have done for it, in milliseconds of the coordinator's time (`costs`): a second of it in every two and a half, so
   * that a CI with sixteen rounds in flight never waits, and nobody takes the whole machine.
   */
  costPerSecond: 400,
  costBurst: 1_200,
  /** The same for all calls from one address that failed or that nobody known vouches for: a fifth of the machine. */
  addressCostPerSecond: 200,
  addressCostBurst: 200,
  /** Challenges and logins a second that a known key has for itself at one address, whatever else is done there; and how many at once. */
  reservedLoginsPerSecond: 32,
  reservedLoginBurst: 96,
  /** Calls of one identity that are under way at once, live streams among them: who sends or reads slowly holds up only itself. */
  maxCallsAtOnce: 64,
  /** Bytes of bodies of one identity that are under way at once: the largest group, and then some. */
  maxBytesUnderWay: 16 * 1024 * 1024,
  /** Bytes that one identity may have stored in a day: ten thousand rounds with a manifest each. */
  storedBytesPerDay: 512 * 1024 * 1024,
  /** Milliseconds without a byte in either direction before a connection is cut. */
  idleTimeoutMs: 60_000,
  /** Frames a second of one member, and how many at once: each costs a signature check, about 0.2 ms. */
  framesPerSecond: 600,
  frameBurst: 1_000,
  /** Live streams of one identity. */
  maxStreamsPerIdentity: 32,
  /** Pending rounds that one identity asked for (T33), and of one group. */
  maxPendingPerAsker: 64,
  maxPendingPerGroup: 512,
  /** Bytes of requests and documents of those rounds: what members that reconnect fetch in half a minute at 5 Mbit/s, and in two. */
  maxPendingBytesPerAsker: 20 * 1024 * 1024,
  maxPendingBytesPerGroup: 80 * 1024 * 1024,
  /** Rounds that a caller's question passes over before it is refused: half a second of reading. */
  maxPassedRounds: 20_000,
} as const;

/** Values for the bounds of `defaultLimits`. */
export type Limits = { readonly [K in keyof typeof defaultLimits]: number };

/** Milliseconds after which to try again where nothing better is known: what is pending ends in its own time, a restart takes seconds. */
export const retryAfterMs = 5_000;
/** Milliseconds that a refused call waits for its answer at most: a flood of refused calls is then no flood. */
export const maxRefusalWaitMs = 1_000;
/** Bytes of a refused body that are read away, so that the connection can be used again; a longer one ends with its connection. */
export const maxDumpedBytes = 64 * 1024;
/** Frames that one refused frame counts as: who sends what is refused is slowed down sooner. */
export const refusedFrameCount = 4;
/** Milliseconds between lines of the log about refused frames of one connection. */
export const refusalLogMs = 1_000;
/** Keys of buckets: identities that have a token, and addresses that log in. */
export const maxBucketKeys = 4_096;

/** What things cost, in milliseconds of the coordinator's time, as measured and rounded up; bodies besides. */
export const costs = {
  /** Head, token and answer of any call. */
  call: 0.5,
  /** A call that is refused before anything else. */
  refusal: 0.2,
  /** A challenge costs a signature, a login two checks. */
  challenge: 0.5,
  login: 1,
  /** On top of what it cost: whoever guesses gets fewer guesses. */
  failedLogin: 5,
  /** A request is opened, judged and stored. */
  submit: 1,
  /** A body by the KiB: read, hashed, parsed, stored. */
  bodyKiB: 0.05,
  /** An answer from the store, by its round. */
  listedRound: 0.5,
  /** A round that was read in vain on the way to an answer. */
  passedRound: 0.025,
  /** A certificate and its documents from the store. */
  issued: 10,
  /** A document that is brought back: as many signatures as there are members may have to be checked. */
  groupDocument: 20,
  /** A group's body, written anew. */
  group: 2,
  /** A WebSocket; and what a member is sent when it comes, by the KiB. */
  connect: 20,
  /** More frames than anybody honest sends: whoever is cut for it stays away for a second. */
  flood: 400,
  backlogKiB: 0.01,
} as const;

/** Challenges that one identity may answer before they expire: its logins in a minute. */
export const maxSpentPerIdentity = 1024;
/** Bytes of the body of a challenge or login: a login takes about 1.5 KiB. */
export const maxLoginBodyBytes = 16 * 1024;
/** Bytes of a submission: a request in base64. */
export const maxSubmitBodyBytes = Math.ceil((maxRequestBytes * 4) / 3) + 4096;
/** Bytes of a document's body. */
export const maxDocumentBodyBytes = maxDocumentBytes;
/**
 * Bytes of a group's body from a member of a charter: charter, certificate, a "stored" message of every member, requesters and delegations,
 * all in base64. A certificate has a signed transcript of each member, with a proof for each sharing it holds, and commitments.
 */
export function maxGroupBodyBytes(charterBytes: number, members: number, sharings: number): number {
  const certificate = Math.min(maxCertificateBytes, 16 * 1024 + members * (4 * 1024 + 1024 * sharings));
  return Math.ceil(((charterBytes + certificate + maxRequestersBytes) * 4) / 3) + members * 2048 + 256 * 1024;
}
/** Bytes of one document of a group that a member brings back: it is kept as it came. */
export const maxGroupDocumentBodyBytes = maxGroupDocumentBytes;
/** Bytes of links in one answer: a client asks for the rest. */
export const maxChainBytes = 4 * 1024 * 1024;
/** Bytes of a member's word that its share is overwritten. */
export const maxErasedBodyBytes = 4 * 1024;
/** Bytes of a cancellation. */
export const maxCancelBodyBytes = 8 * 1024;
/** Levels of any JSON body; a certificate in a group is base64. */
export const maxBodyDepth = 12;
/** Keys, objects, arrays and other values of any JSON body: 128 members' "stored" messages, of 11 each, and the documents. */
export const maxBodyTokens = 8_192;
/** Bytes of a key in any JSON body. */
export const maxBodyKeyBytes = 64;
/** Bytes of a body that are scanned before others get their turn: about half a millisecond. */
export const scannedAtOnceBytes = 128 * 1024;

/** Fragments of one WebSocket message: our own clients send one. */
export const maxFragments = 64;
/** Pieces in which one frame may come off the wire: 0.5 MiB in segments of 1448 bytes, five times over. */
export const maxBufferedChunks = 2048;
/** Bytes that wait for a member that does not read: some packages and a part of a ceremony. */
export function maxBufferedBytes(members: number): number {
  return 16 * maxFrameBytes(members);
}
/** Bytes a second of the slowest line that a member may have, 1 Mbit/s: a ping is not answered before what was sent ahead of it has passed. */
export const slowestLineBytesPerSecond = 125_000;
/** Milliseconds that one member's frames are worked on before others get their turn. */
export const workedAtOnceMs = 1;
/** Frames of one member that wait for their turn before no more are read from its socket. */
export const maxWaitingFrames = 64;
/** Bytes of an envelope in a frame besides its payload: type, key, signature, and the frame's own fields. */
export const envelopeOverheadBytes = 512;
/** Events that wait in one round: several of every member. */
export const maxQueuedEvents = 4096;

/** Versions of one ceremony message that are kept and relayed: two are a proof, more prove nothing more. */
export const maxVersions = 2;
/** Ceremonies of one member whose messages are kept: each restart of anybody's join begins a new one. */
export const maxCeremoniesPerMember = 16;
/** Begins of one heir that are kept, the last: the highest counter wins. */
export const maxBeginsPerMember = 16;
/** Ceremony messages that one member may have stored for one charter, and for each succession. */
export const maxCeremonyMessagesPerMember = 2048;
/** Decisions of one member in one round that are stored. */
export const maxDecisionsPerMember = 64;
/** Delegations kept for one channel: the newest, and the one before while the newest is not yet valid. */
export const maxDelegationsPerChannel = 2;

/** Rounds in one answer, newest first. */
export const maxListedRounds = 50;
/** Seconds by which the times of requests may be out of the order in which their rounds were opened: a request lives 30 days, and clocks differ. */
export const roundTimeSlackSeconds = maxExpirySeconds + maxClockSkewSeconds;
/** Bytes after which such an answer stops, half of what clients take. */
export const maxListedBytes = 8 * 1024 * 1024;
/** Finished rounds whose bodies stay in memory: what clients still look at. */
export const maxRememberedRounds = 256;
/** Attempts shown in a round's body. */
export const maxShownAttempts = 256;

/** Bytes that a round takes on disk and in memory besides its request and documents: its records, its place in the lists. */
export const roundOverheadBytes = 4096;

/** Bytes of a journal head in the store. */
export const journalRecordBytes = 300;

/** Bytes written to the store in one batch, so that one large group does not hold up the others for long. */
export const maxBatchBytes = 8 * 1024 * 1024;
/** Milliseconds a record that nobody waits for may wait for company. */
export const lazyWriteMs = 1_000;
/** Milliseconds by which the anchor follows a log: what was acknowledged meanwhile is told by checkpoints that members keep. */
export const anchorAfterMs = 200;
/** Full tiles of one log that stay in memory once they are proved, 16 KiB each: those of the rounds that are looked at now, and all above them. */
export const maxCachedTiles = 32;

/** Bytes of a TLS certificate chain or key file. */
export const maxTlsFileBytes = 256 * 1024;
/** Incarnations of one member that are remembered: each restore begins one, and a start reads them, of 128 members 8192. */
export const maxIncarnations = 64;
/** Heads of one member that were replaced lately: as many as a burst of rounds moves it on. */
export const maxRecentHeads = 64;
/** Milliseconds by which a frame may overtake a login of the same daemon. */
export const overtakenMs = 5_000;
/** Bytes of an answer on the control socket. */
export const maxControlAnswerBytes = 128 * 1024;
/** What is wrong with one log that a check says: more would only say it again. */
export const maxProblems = 20;
/** Milliseconds between two steps of the slow walk over the store, each over 256 records at most: some milliseconds of work, ten hours for a million rounds. */
export const scrubEveryMs = 1_000;
/** Steps of the walk after which it notes where it is, besides at a stop: a crash costs it a minute. */
export const scrubNotedEvery = 60;
/** Bytes beside its records that one step of the walk reads, unless one record alone names more: 10 ms of hashing. */
export const maxScrubbedBytes = 8 * 1024 * 1024;
/** Blobs that are taken out of the store in one batch. */
export const archivedAtOnce = 256;
/** Bytes of the groups in one answer to the operator's question how the coordinator is: what is left is for the rest of it. */
export const maxStatusBytes = maxControlAnswerBytes - 4096;
/** Groups that are looked at for it: more never fit. */
export const maxStatusGroups = 1024;
