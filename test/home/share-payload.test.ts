import { describe, expect, it } from 'vitest';
import { decodePayload, encodeHeader, encodeLabel, type ShareLabel } from '../../home/share-payload.ts';

const hash = new Uint8Array(32).fill(0x22);
const scalar = new Uint8Array(32).fill(0xa5);
const share = Buffer.concat([Uint8Array.of(10), Buffer.from('production'), Uint8Array.of(0, 0x01, 0x02), scalar]);

function payload(...shares: readonly Uint8Array[]): Buffer {
  return Buffer.concat([Buffer.from('frostmark-share\x02'), hash, ...shares]);
}

function decode(bytes: Uint8Array): ReturnType<typeof decodePayload> {
  return decodePayload(bytes.length, (from, to) => Uint8Array.from(bytes.subarray(from, to)), 'share.age');
}

describe('the payload of a share file', () => {
  it('is what the format says, byte for byte', () => {
    const label: ShareLabel = { channel: 'production', sharing: 0, identifier: 258 };
    const bytes = Buffer.concat([encodeHeader({ hash }), encodeLabel(label), scalar]);
    expect(bytes.equals(payload(share))).toBe(true);
    expect(decode(bytes)).toEqual({
      header: { hash },
      entries: [{ ...label, scalarOffset: bytes.length - 32 }],
    });
  });

  it('is decoded without a look at a scalar', () => {
    const bytes = payload(share);
    decodePayload(
      bytes.length,
      (from, to) => {
        expect(to).toBeLessThanOrEqual(bytes.length - scalar.length);
        return bytes.subarray(from, to);
      },
      'share.age',
    );
  });

  it.each([
    ['nothing', Buffer.alloc(0), 'too short'],
    ['half a header', payload().subarray(0, 47), 'too short'],
    ['another magic', Buffer.concat([Buffer.from('frostmark-share\x01'), payload().subarray(16)]), 'of this version'],
    ['half a share', payload(share.subarray(0, -1)), 'ends inside'],
    ['a share and a byte', payload(share, Uint8Array.of(1)), 'ends inside'],
    ['a share without a channel', payload(Uint8Array.of(0, 0, 0, 3), scalar), 'ends inside'],
    ['a share of identifier 0', payload(Uint8Array.of(1, 0x61, 0, 0, 0), scalar), 'identifier 0'],
    ['a channel that is not UTF-8', payload(Uint8Array.of(1, 0xff, 0, 0, 3), scalar), 'UTF-8'],
    ['two shares of one sharing', payload(share, share), 'two shares'],
  ])('is refused when it is %s', (_, bytes, reason) => {
    expect(() => decode(bytes)).toThrow(reason);
  });

  it.each([
    [{ channel: '', sharing: 0, identifier: 1 }, '1 to 255 bytes'],
    [{ channel: 'x'.repeat(256), sharing: 0, identifier: 1 }, '1 to 255 bytes'],
    [{ channel: 'x', sharing: -1, identifier: 1 }, 'no sharing'],
    [{ channel: 'x', sharing: 256, identifier: 1 }, 'no sharing'],
    [{ channel: 'x', sharing: 0.5, identifier: 1 }, 'no sharing'],
    [{ channel: 'x', sharing: 0, identifier: 0 }, 'no identifier'],
    [{ channel: 'x', sharing: 0, identifier: 65536 }, 'no identifier'],
  ])('does not take the label %o', (label, reason) => {
    expect(() => encodeLabel(label)).toThrow(reason);
  });

  it('does not take a hash of another length', () => {
    expect(() => encodeHeader({ hash: hash.subarray(1) })).toThrow('32 bytes');
  });
});
