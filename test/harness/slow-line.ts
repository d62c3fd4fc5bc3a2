/** A line between a client and the coordinator on which WebSockets are as slow as a test likes; everything else passes at once. */
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

export interface SlowLine extends AsyncDisposable {
  readonly port: number;
  /** Bytes that WebSockets brought so far. */
  readonly carried: () => number;
}

/** Listens on a free port and calls `target` for every connection, once that port is known. */
export async function slowLine(target: () => number, bytesPerSecond: number): Promise<SlowLine> {
  let carried = 0;
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(target(), '127.0.0.1');
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.once('close', () => {
        sockets.delete(socket);
        client.destroy();
        upstream.destroy();
      });
    }
    client.once('data', (first: Buffer) => {
      upstream.write(first);
      client.pipe(upstream);
      if (first.toString('latin1').startsWith('GET /v1/members/socket'))
        throttle(upstream, client).catch(() => client.destroy());
      else upstream.pipe(client);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    port: address.port,
    carried: () => carried,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };

  async function throttle(from: Socket, to: Socket): Promise<void> {
    for await (const chunk of from as AsyncIterable<Buffer>) {
      carried += chunk.length;
      to.write(chunk);
      await sleep((chunk.length / bytesPerSecond) * 1000);
    }
  }
}
