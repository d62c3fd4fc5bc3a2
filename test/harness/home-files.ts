/** Files of a member's home that carry the name of their epoch. */
import { readdirSync } from 'node:fs';

/** The one file of this kind in a home: `certificate-….json`, `stored-….json` or `share-….age`. */
export function epochFile(home: string, kind: 'certificate' | 'stored' | 'share'): string {
  const [name, another] = readdirSync(home).filter((file) => file.startsWith(`${kind}-`));
  if (name === undefined || another !== undefined) throw new Error(`not one ${kind} file in ${home}`);
  return name;
}
