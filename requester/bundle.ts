/** The file beside each artifact: assembled from the round's signature and the delegation, verified as an installer would, then written. */
import { decodeBase64Url } from '../verifier/base64.ts';
import { bundleSuffix, encodeBundle } from '../verifier/bundle.ts';
import type { Envelope } from '../verifier/dsse.ts';
import { parseTime } from '../verifier/time.ts';
import { verifyRelease } from '../verifier/verify.ts';
import { type OpenedGroup } from '../client/group.ts';
import { currentDelegation, type HeldDelegation } from '../protocol/group-documents/envelopes.ts';
import { writeFileAtomic } from '../home/files.ts';
import { hexToBytes } from '../protocol/wire/bytes.ts';
import { formatTimestamp } from '../protocol/wire/time.ts';
import { production } from '../protocol/files/charter.ts';
import { finishRequest, isSignedRequest, prepareRequest, type FinishedFile } from '../protocol/formats/index.ts';
import type { Request } from '../protocol/request/request.ts';
import { sha256Of, type ArtifactFile } from './artifacts.ts';
import { RequesterError } from './errors.ts';

/** Readable by everybody, as the artifact is: a signature is no secret. */
const bundleMode = 0o644;

/**
 * The finished files of a request, in the order of its formats; every signature is verified over the bytes rebuilt here.
 * `signatures` are the coordinator's, 64 bytes each in hex. Throws `RequesterError('bad-result')`.
 */
export function openResult(
  { epoch }: OpenedGroup,
  request: Request,
  documents: readonly Uint8Array[],
  signatures: readonly string[],
): FinishedFile[] {
  const key = decodeBase64Url(epoch.channel(request.payload.channel).key);
  const prepared = prepareRequest({ epoch, request, documents });
  const count = prepared.messages.length + prepared.followers;
  if (signatures.length !== count)
    throw new RequesterError('bad-result', `${signatures.length} signatures were published instead of ${count}`);
  const bytes = signatures.map(hexToBytes);
  if (!isSignedRequest(prepared, key, bytes))
    throw new RequesterError('bad-result', 'a signature that the coordinator published does not verify');
  return finishRequest(prepared, bytes);
}

/** The delegation of `channel` that holds at this time and longest; `null` for production. Throws `RequesterError('no-delegation')`. */
export function delegationFor(group: OpenedGroup, channel: string, atUnixSeconds: number): HeldDelegation | null {
  if (channel === production) return null;
  const current = currentDelegation(group.delegations, channel, atUnixSeconds);
  if (current === undefined) throw noDelegation(group, channel, atUnixSeconds);
  return current;
}

function noDelegation({ delegations }: OpenedGroup, channel: string, atUnixSeconds: number): RequesterError {
  const held = delegations.filter((one) => one.channel === channel).map(({ delegation }) => delegation);
  const now = `by this machine's clock it is ${formatTimestamp(atUnixSeconds)}`;
  const later = held.find(({ from }) => (parseTime(from) ?? 0) > atUnixSeconds);
  const ends = held.map(({ until }) => until).sort();
  const found =
    later === undefined
      ? ends.length === 0
        ? ''
        : `: the last one ended at ${ends.at(-1) ?? ''}, and ${now}`
      : `: one begins at ${later.from}, and ${now}`;
  return new RequesterError('no-delegation', `the group has no delegation for ${channel} that is valid now${found}`);
}

/**
 * The bundle's bytes for a release whose files `openResult` gave; `undefined` for one without a native signature.
 * Throws `RequesterError('no-delegation')` and whatever the verifier finds in it.
 */
export function assembleBundle(
  group: OpenedGroup,
  channel: string,
  files: readonly FinishedFile[],
  atUnixSeconds: number,
): Uint8Array | undefined {
  const statement = files.find(({ format }) => format === 'native');
  if (statement === undefined) return undefined;
  const delegation = delegationFor(group, channel, atUnixSeconds);
  return encodeBundle({
    statement: JSON.parse(new TextDecoder().decode(statement.bytes)) as Envelope,
    delegation: delegation?.envelope ?? null,
  });
}

/**
 * Verifies the bundle over every file as it is on disk now, then writes it beside each of them, whole or not at all.
 * Returns the paths written. Throws `RequesterError('changed-file')`, `VerifyError` or `HomeError`; by then nothing, or whole bundles, were written.
 */
export async function writeBundles(
  group: OpenedGroup,
  channel: string,
  files: readonly ArtifactFile[],
  bundle: Uint8Array,
  atUnixSeconds: number,
): Promise<string[]> {
  // The wait may have taken days: what is verified is what is there today.
  for (const { path, name, sha256 } of files) {
    if ((await sha256Of(path)) !== sha256)
      throw new RequesterError('changed-file', `${path} changed since its signature was asked for`);
    verifyRelease({
      bundle,
      groupKey: decodeBase64Url(group.epoch.groupKey),
      channel,
      at: atUnixSeconds,
      sha256,
      name,
    });
  }
  const written: string[] = [];
  for (const { path } of files) {
    await writeFileAtomic(path + bundleSuffix, bundle, { mode: bundleMode });
    written.push(path + bundleSuffix);
  }
  return written;
}
