/** How often something expensive is done: a count holds where a time would not. */
import crypto from 'node:crypto';
import { syncBuiltinESMExports } from 'node:module';

/** Ed25519 signatures that are verified in this process while `work` runs. */
export async function countVerifications(work: () => unknown): Promise<number> {
  const real = crypto.verify;
  let count = 0;
  const counting = ((...args: Parameters<typeof real>) => {
    count += 1;
    return real(...args);
  }) as typeof real;
  crypto.verify = counting;
  syncBuiltinESMExports();
  try {
    await work();
  } finally {
    crypto.verify = real;
    syncBuiltinESMExports();
  }
  return count;
}
