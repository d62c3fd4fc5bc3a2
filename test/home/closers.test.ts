/** What was opened is closed in reverse order, whatever breaks on the way. */
import { describe, expect, it } from 'vitest';
import { Closers } from '../../home/closers.ts';

describe('closing', () => {
  it('goes from what was opened last to what was opened first, once', async () => {
    const [closers, closed] = [new Closers(), [] as string[]];
    for (const name of ['lock', 'store', 'server']) closers.defer(() => void closed.push(name));
    await Promise.all([closers.close(), closers.close()]);
    await closers.close();
    expect(closed).toEqual(['server', 'store', 'lock']);
  });

  it('goes on after one that throws, and then throws what broke first', async () => {
    const [closers, closed] = [new Closers(), [] as string[]];
    closers.defer(() => void closed.push('lock'));
    closers.defer(() => Promise.reject(new Error('store')));
    closers.defer(() => {
      throw new Error('server');
    });
    await expect(closers.close()).rejects.toThrow('server');
    await expect(closers.close()).rejects.toThrow('server');
    expect(closed).toEqual(['lock']);
  });
});
