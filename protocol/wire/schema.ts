/** Strict schemas: one definition serves frames, HTTP bodies and signed payloads (typebox, JSON Schema). */
import Type, { type Static, type TSchema } from 'typebox';
import { Compile } from 'typebox/compile';
import type { Envelope } from '../../verifier/dsse.ts';
import { ProtocolError, type ProtocolErrorCode } from '../errors.ts';
import { maxNameCharacters } from '../limits.ts';

export { Type, type Static, type TSchema };

/** An object with exactly these fields. */
export function Strict<T extends Parameters<typeof Type.Object>[0]>(fields: T) {
  return Type.Object(fields, { additionalProperties: false });
}

/** `bytes` bytes as lowercase hex. */
export function Hex(bytes: number) {
  return Type.String({ pattern: `^[0-9a-f]{${bytes * 2}}$` });
}

/** A text of 1 to `maxLength` characters (UTF-16 code units, as JSON Schema counts them). */
export function Text(maxLength: number) {
  return Type.String({ minLength: 1, maxLength });
}

/** Such a value, or null; a field is never left out instead. */
export function Nullable<T extends TSchema>(schema: T) {
  return Type.Union([schema, Type.Null()]);
}

/** A 32-byte public key, base64url without padding; decoding also demands that it re-encodes equal. */
export const Key = Type.String({ pattern: '^[A-Za-z0-9_-]{43}$' });
/** A SHA-256 as 64 lowercase hex digits. */
export const Hash = Hex(32);
/** RFC 3339, UTC, whole seconds. */
export const Timestamp = Type.String({ pattern: '^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$' });
/**
 * What is a name: of members, tiers, groups, channels, formats. Never digits alone: a mapping with such keys is read in the order of their
 * numbers and not in the one that is written (ECMA-262, OrdinaryOwnPropertyKeys), and order numbers the sharings of a quorum.
 */
export const namePattern = `^(?![0-9]+$)[a-z0-9][a-z0-9._-]{0,${maxNameCharacters - 1}}$`;
/** A name of a member, tier, channel or group. */
export const Name = Type.String({ pattern: namePattern });
/** A member's identifier: its 1-based place in the charter. */
export const IdentifierNumber = Type.Integer({ minimum: 1, maximum: 65535 });

/** Of a round: 1 for the messages of all formats; 2 for a message that depends on a signature of stage 1. */
export type Stage = 1 | 2;
/** A stage as it travels. */
export const StageNumber = Type.Unsafe<Stage>(Type.Union([Type.Literal(1), Type.Literal(2)]));

/** A DSSE envelope with exactly one signature, as `verifier/dsse.ts` has it. */
export const EnvelopeSchema = Type.Unsafe<Envelope>(
  Strict({
    payload: Type.String({ pattern: '^[A-Za-z0-9+/]*={0,2}$' }),
    payloadType: Type.String({ minLength: 1, maxLength: 100 }),
    signatures: Type.Array(
      Strict({ keyid: Type.String({ maxLength: 100 }), sig: Type.String({ pattern: '^[A-Za-z0-9+/]{86}==$' }) }),
      { minItems: 1, maxItems: 1 },
    ),
  }),
);

/** What we use of a compiled schema; typebox's own generic type costs the compiler seconds. */
interface Validator {
  Check(value: unknown): boolean;
  Errors(value: unknown): readonly { readonly instancePath: string; readonly message: string }[];
}

const compile: (schema: TSchema) => unknown = Compile;
const validators = new WeakMap<TSchema, Validator>();

/**
 * Accepts exactly the schema's values; callers then say `value as Static<typeof schema>`. (A generic return type would make the compiler
 * compare typebox's types in depth, which takes it many seconds.) Throws `ProtocolError(code)` naming the first field at fault.
 */
export function assertSchema(schema: TSchema, value: unknown, code: ProtocolErrorCode, what: string): void {
  let validator = validators.get(schema);
  if (validator === undefined) validators.set(schema, (validator = compile(schema) as Validator));
  if (validator.Check(value)) return;
  const first = validator.Errors(value)[0];
  const field = first === undefined || first.instancePath === '' ? '' : ` at ${first.instancePath.slice(0, 80)}`;
  throw new ProtocolError(code, `${what}${field} ${first?.message ?? 'is not valid'}`);
}
