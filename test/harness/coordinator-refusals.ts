/** What a call was refused with. */
import { expect } from 'vitest';
import { ClientError } from '../../client/errors.ts';

/** The code in the coordinator's own words; fails if the call succeeds or fails otherwise. */
export async function refusalOf(call: Promise<unknown>): Promise<string> {
  const error: unknown = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(ClientError);
  const { refusal, code, message } = error as ClientError;
  return refusal?.code ?? `${code}: ${message}`;
}

/** The code of a `ClientError` that the client raised itself. */
export async function clientCodeOf(call: Promise<unknown>): Promise<string> {
  const error: unknown = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(ClientError);
  return (error as ClientError).code;
}
