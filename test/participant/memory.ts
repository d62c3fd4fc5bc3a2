/** The whole WebAssembly memory behind a vault, for tests that look for residue in it. */
import { testingOnlyMemory } from '../../protocol/frost/group-sodium.ts';
import type { Vault } from '../../participant/vault.ts';

export function sodiumMemoryOf(vault: Vault): () => Uint8Array {
  const arithmetic = vault.testingOnlyArithmetic;
  return () => testingOnlyMemory(arithmetic);
}
