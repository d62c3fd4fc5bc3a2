/** How often something expensive is done: a count holds where a time would not. */
import crypto from 'node:crypto';
import { syncBuiltinESMExports } from 'node:module';

/** Ed25519 signatures that are verified in this process while `work` runs. */
export async function countVerifications(work: () => unknown): Promise<number> {
  const real = crypto.verify as (...args: unknown[]) => unknown;
  let count = 0;
  crypto.verify = ((...args: unknown[]) => {
    count += 1;
    return real(...args);
  }) as typeof crypto.verify;
  syncBuiltinESMExports();
  try {
    await work();
  } finally {
    crypto.verify = real as typeof crypto.verify;
    syncBuiltinESMExports();
  }
  return count;
}
