/**
 * Opens each store of argv, reads all of its one log and checks it; a line of JSON for each, as `Examined` of test/harness/store-machine.ts. In a process of
 * its own: level compacts a damaged table without looking at its checksums, and ends the process where it finds keys out of order.
 *
 * argv: the coordinator's key, the hash of the charter, then for each store a folder with `record` and `record-anchor`.
 */
import { join } from 'node:path';

/**
 * As it is built; by name, so that it is not type-checked a second time.
 *
 * @param {string} name
 */
const built = (name) => import(new URL(`../../../dist/coordinator/${name}.js`, import.meta.url).href);
const [{ checkLog }, { CoordinatorError }, { openStore }] = await Promise.all(['check', 'errors', 'store'].map(built));
const [coordinator, charter, ...folders] = process.argv.slice(2);

/** @param {import('../../../coordinator/group-log.ts').GroupLog} log */
async function recordsOf(log) {
  const records = [];
  for (let index = 0; index < log.head.size; index += 1)
    records.push(
      await log.record(index).then(
        (/** @type {unknown} */ record) => ({ record }),
        (/** @type {unknown} */ error) => ({ refused: String(error) }),
      ),
    );
  return records;
}

/** @param {string} folder */
async function examine(folder) {
  const paths = { database: join(folder, 'record'), anchor: join(folder, 'record-anchor') };
  const started = await openStore(paths, { coordinator, onFailure: () => undefined }).catch(
    (/** @type {unknown} */ error) => error,
  );
  if (started instanceof CoordinatorError) return { kind: 'refused', code: started.code, message: started.message };
  if (started instanceof Error) throw started;
  const log = started.logOf(charter);
  const records = await recordsOf(log);
  const { problems } = await checkLog(log, join(folder, 'check'));
  await started.close();
  return { kind: 'opened', records, problems };
}

for (const folder of folders) process.stdout.write(`${JSON.stringify(await examine(folder))}\n`);
