/** API readers that never read: `hang <url> <token> <count> <ms>`. */
import { createConnection } from 'node:net';

const [url = '', token = '', count = '', ms = ''] = process.argv.slice(2);
const { hostname, port } = new URL(url);
const PATHS = ['/api/v1/stream', '/api/v1/sessions?limit=1000', '/metrics', '/api/v1/events'];

for (let n = 0; n < Number(count); n++) {
  const socket = createConnection(Number(port), hostname, () => {
    socket.pause();
    for (let again = 0; again < 20; again++) socket.write(`GET ${PATHS[n % PATHS.length]} HTTP/1.1\r\nHost: ${hostname}:${port}\r\nAuthorization: Bearer ${token}\r\n\r\n`);
  });
  socket.on('error', () => undefined);
  setTimeout(() => socket.destroy(), Number(ms));
}
