/** A TCP relay that keeps every byte of both directions, as whoever owns the network would. */
import { createServer, connect, type AddressInfo, type Server, type Socket } from 'node:net';

interface TappedConnection {
  readonly up: Buffer[];
  readonly down: Buffer[];
}

export class Wiretap implements AsyncDisposable {
  readonly port: number;
  /** Where the connections go; set before the first one comes. */
  target: { readonly host: string; readonly port: number } | undefined;
  readonly #server: Server;
  readonly #connections: TappedConnection[] = [];
  readonly #sockets = new Set<Socket>();

  static async open(): Promise<Wiretap> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new Wiretap(server);
  }

  private constructor(server: Server) {
    this.#server = server;
    this.port = (server.address() as AddressInfo).port;
    server.on('connection', (client) => {
      this.#relay(client);
    });
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** By name: each direction of each connection as it passed, and its WebSocket messages with the mask taken off (RFC 6455, Section 5.3). */
  captured(): Map<string, Buffer> {
    const captured = new Map<string, Buffer>();
    for (const [index, connection] of this.#connections.entries()) {
      for (const direction of ['up', 'down'] as const) {
        const bytes = Buffer.concat(connection[direction]);
        captured.set(`connection ${index} ${direction}`, bytes);
        const messages = webSocketMessages(bytes);
        if (messages.length > 0) captured.set(`connection ${index} ${direction}, unmasked`, Buffer.concat(messages));
      }
    }
    return captured;
  }

  /** What clients sent over WebSockets, message by message, or what was sent to them. */
  messages(direction: 'up' | 'down'): Buffer[] {
    return this.#connections.flatMap((connection) => webSocketMessages(Buffer.concat(connection[direction])));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #relay(client: Socket): void {
    const connection: TappedConnection = { up: [], down: [] };
    this.#connections.push(connection);
    const server = connect(this.target!);
    this.#pipe(client, server, connection.up);
    this.#pipe(server, client, connection.down);
  }

  #pipe(from: Socket, to: Socket, kept: Buffer[]): void {
    this.#sockets.add(from);
    from.on('data', (bytes: Buffer) => {
      kept.push(bytes);
      to.write(bytes);
    });
    from.on('end', () => to.end());
    from.on('error', () => to.destroy());
    from.on('close', () => {
      this.#sockets.delete(from);
      to.destroy();
    });
  }
}

const upgraded = /^(?:GET [^\r]*\/socket HTTP\/1\.1|HTTP\/1\.1 101 )/;

/** The messages of text and binary frames, their fragments joined; none if this is no WebSocket. */
function webSocketMessages(stream: Buffer): Buffer[] {
  const body = stream.indexOf('\r\n\r\n') + 4;
  if (body < 4 || !upgraded.test(stream.toString('latin1', 0, body))) return [];
  const messages: Buffer[] = [];
  let fragments: Buffer[] = [];
  for (let at = body; at + 2 <= stream.length;) {
    const [first, second] = [stream[at]!, stream[at + 1]!];
    const short = second & 0x7f;
    const lengthBytes = short === 126 ? 2 : short === 127 ? 6 : 0;
    const length = lengthBytes === 0 ? short : stream.readUIntBE(short === 127 ? at + 4 : at + 2, lengthBytes);
    const maskAt = at + 2 + (short === 127 ? 8 : lengthBytes);
    const isMasked = (second & 0x80) !== 0;
    const from = maskAt + (isMasked ? 4 : 0);
    const payload = Buffer.from(stream.subarray(from, from + length));
    if (isMasked) for (let index = 0; index < payload.length; index++) payload[index]! ^= stream[maskAt + (index & 3)]!;
    at = from + length;
    if ((first & 0x0f) > 2) continue;
    fragments.push(payload);
    if ((first & 0x80) === 0) continue;
    messages.push(Buffer.concat(fragments));
    fragments = [];
  }
  return messages;
}
