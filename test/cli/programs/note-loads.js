/** Writes every module that is loaded, required ones and native ones included, into the file that FROSTMARK_TEST_LOADS names. */
import { appendFileSync } from 'node:fs';
import { createRequire, register } from 'node:module';

const hooks = `
import { appendFileSync } from 'node:fs';
export async function load(url, context, next) {
  appendFileSync(process.env.FROSTMARK_TEST_LOADS, url + '\\n');
  return next(url, context);
}`;
register(`data:text/javascript,${encodeURIComponent(hooks)}`);

process.once('exit', () => {
  const required = Object.keys(createRequire(import.meta.url).cache);
  const { sharedObjects } = /** @type {{ sharedObjects: string[] }} */ (process.report.getReport());
  appendFileSync(String(process.env['FROSTMARK_TEST_LOADS']), [...required, ...sharedObjects, ''].join('\n'));
});
