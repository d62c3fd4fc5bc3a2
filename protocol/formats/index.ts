/** The closed list of what a quorum may sign. There is no raw kind: nobody can have bytes of their own choosing signed. */
import { ProtocolError } from '../errors.ts';
import { assertDocument, type RequestKind } from '../request.ts';
import { delegation } from './delegation.ts';
import type { Format, FormatInput, Prepared } from './format.ts';
import { genesis } from './genesis.ts';
import { native } from './native.ts';
import { requesters } from './requesters.ts';

const formats: readonly Format[] = [native, genesis, requesters, delegation];

/** Names of the formats a request of this kind may ask for. */
export function formatNames(kind: RequestKind): string[] {
  return formats.filter((format) => format.kind === kind).map((format) => format.name);
}

/** Throws `ProtocolError('unknown-format')` naming those that fit. */
export function formatOf(name: string, kind: RequestKind): Format {
  const format = formats.find((candidate) => candidate.name === name && candidate.kind === kind);
  if (format !== undefined) return format;
  throw new ProtocolError(
    'unknown-format',
    `a ${kind} has no format ${JSON.stringify(name)}; it has ${formatNames(kind).join(', ')}`,
  );
}

/**
 * Every message of the request's formats, in the request's order, rebuilt from fields and whole documents.
 * Throws `ProtocolError` for a request of another group or key epoch, and for a document that is not the one asked for, not of its kind,
 * or not this group's to sign.
 */
export function prepareRequest(input: FormatInput): Prepared[] {
  const { payload } = input.request;
  if (payload.groupKey !== input.epoch.groupKey)
    throw new ProtocolError('wrong-group', `the request is for the group key ${payload.groupKey}`);
  if (payload.certificate !== input.epoch.certificateHash)
    throw new ProtocolError('wrong-certificate', 'the request is of another key epoch');
  if (input.documents.length !== payload.documents.length)
    throw new ProtocolError('bad-document', 'a document is missing');
  payload.documents.forEach((entry, index) => assertDocument(entry, input.documents[index] ?? new Uint8Array()));
  return payload.formats.map((name) => formatOf(name, payload.kind).prepare(input));
}
