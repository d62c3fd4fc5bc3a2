/**
 * What the key files of a home hold, for whoever does not know the passphrase: the recipients of their identities, which are public.
 *
 *     keys.json     { files: { NAME: { sha256, recipients } }, macs: { NAME: hex } }
 *
 * An entry is about the file with that SHA-256, whatever its name: a copy holds the same. All files of one register are under one passphrase.
 * `macs` are over `files`, each under the first identity of its key file: whoever opened one of them believes the whole.
 */
import { join } from 'node:path';
import { decodeCanonicalJson, encodeCanonicalJson } from '../verifier/json.ts';
import { bytesToHex, sha256Hex } from '../protocol/wire/bytes.ts';
import { assertSchema, Hash, Strict, Type, type Static } from '../protocol/wire/schema.ts';
import { whole, type AgeChild } from './age-process.ts';
import { HomeError } from './errors.ts';
import { readFileBounded } from './files.ts';
import { maxKeyFileBytes, maxKeyRegisterBytes } from './limits.ts';
import { encodePart, operation } from './pipe.ts';
import { keyRegisterName } from './share-key.ts';

const schema = Strict({
  files: Type.Record(
    Type.String(),
    Strict({ sha256: Hash, recipients: Type.Array(Type.String({ pattern: '^age1[0-9a-z]{58}$' })) }),
  ),
  macs: Type.Record(Type.String(), Hash),
});
type Content = Static<typeof schema>;

/** A key file and what it holds. */
export interface OpenedKeys {
  readonly file: Uint8Array;
  /** Age recipients, `age1…`, in the file's order; none if the passphrase does not open it. */
  readonly recipients: readonly string[];
}

/** What is known about key files without the passphrase. */
export class KeyRegister {
  readonly #files: Content['files'];
  readonly #byHash: ReadonlyMap<string, readonly string[]>;

  constructor({ files }: Content) {
    this.#files = files;
    this.#byHash = new Map(Object.values(files).map(({ sha256, recipients }) => [sha256, recipients]));
  }

  /** Whether it is about this file under this name. */
  lists(name: string, file: Uint8Array): boolean {
    return this.#entry(name)?.sha256 === sha256Hex(file);
  }

  /** What a file with these bytes holds; `undefined` for one that nobody looked into. */
  recipientsIn(file: Uint8Array): readonly string[] | undefined {
    return this.#byHash.get(sha256Hex(file));
  }

  /** What a file of this name held last, even if it is gone. */
  recipientsOnce(name: string): readonly string[] | undefined {
    return this.#entry(name)?.recipients;
  }

  #entry(name: string): Content['files'][string] | undefined {
    return Object.hasOwn(this.#files, name) ? this.#files[name] : undefined;
  }
}

/** As it is on the disk, believed by nobody who has secrets to seal; `undefined` if there is none that can be read. */
export async function readKeyRegister(folder: string): Promise<KeyRegister | undefined> {
  const content = await readContent(folder);
  return content === undefined ? undefined : new KeyRegister(content);
}

/** The register, if the key file `witness` opens with the child's passphrase and vouches for it. */
export async function openKeyRegister(
  child: AgeChild,
  folder: string,
  witness: string,
): Promise<KeyRegister | undefined> {
  const content = await readContent(folder);
  if (content === undefined) return undefined;
  try {
    const path = join(folder, witness);
    const file = await readFileBounded(path, maxKeyFileBytes, { ownerOnly: true });
    const mac = await macOver(child, content.files, { path, file });
    return content.macs[witness] === mac ? new KeyRegister(content) : undefined;
  } catch (error) {
    // Whoever asks looks into every file then, and says what is wrong with which.
    if (error instanceof HomeError) return undefined;
    throw error;
  }
}

/** A register of these files, by their names. The child can open each that has recipients. */
export async function encodeKeyRegister(
  child: AgeChild,
  folder: string,
  keys: ReadonlyMap<string, OpenedKeys>,
): Promise<Uint8Array> {
  const listed = [...keys].map(([name, { file, recipients }]) => [name, { sha256: sha256Hex(file), recipients }]);
  const files = Object.fromEntries(listed) as Content['files'];
  const macs: Record<string, string> = {};
  for (const [name, { file, recipients }] of keys)
    if (recipients.length > 0) macs[name] = await macOver(child, files, { path: join(folder, name), file });
  return encodeCanonicalJson({ files, macs });
}

async function macOver(
  child: AgeChild,
  files: Content['files'],
  { path, file }: { readonly path: string; readonly file: Uint8Array },
): Promise<string> {
  const body = whole(encodePart(file), encodeCanonicalJson(files));
  return bytesToHex(await child.request({ path, kind: operation.authenticate, ...body }));
}

async function readContent(folder: string): Promise<Content | undefined> {
  try {
    const bytes = await readFileBounded(join(folder, keyRegisterName), maxKeyRegisterBytes);
    const value = decodeCanonicalJson(bytes, { maxBytes: maxKeyRegisterBytes, maxDepth: 4 });
    assertSchema(schema, value, 'bad-document', keyRegisterName);
    return value as Content;
  } catch {
    return undefined; // it is made anew from the files that it is about
  }
}
