// A receiver as one writes it in Node.js: fastify over TLS, HMAC over the raw body, and the event
// in PostgreSQL (pg) before the answer. "node server.js insert" writes each event on its own,
// "node server.js batch" groups by hand what came while the last batch was committed.
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { readFileSync } from 'node:fs';
import Fastify from 'fastify';
import pg from 'pg';
import { batcher } from './batch.js';
import { inserter } from './insert.js';

const { PORT, TLS_CERT, TLS_KEY, SIGNING_KEY } = process.env;
const pool = new pg.Pool({ max: 16 }); // PGHOST, PGUSER, PGDATABASE
const put = process.argv[2] === 'batch' ? batcher(pool) : inserter(pool);

function isSigned(body, signature) {
  const given = Buffer.from(signature ?? '', 'hex');
  const expected = createHmac('sha256', SIGNING_KEY).update(body).digest();
  return given.length === expected.length && timingSafeEqual(given, expected);
}

function eventOf(body) {
  const payload = JSON.parse(body);
  return {
    id: createHash('sha256').update(body).digest().subarray(0, 16),
    company: payload.company.company_id,
    type: payload.type,
    occurredAt: new Date(payload.timestamp),
    subscriber: payload.subscriber.phone ?? '',
    body,
  };
}

const app = Fastify({
  https: { cert: readFileSync(TLS_CERT), key: readFileSync(TLS_KEY) },
  bodyLimit: 256 * 1024,
});
app.removeAllContentTypeParsers();
app.addContentTypeParser('*', { parseAs: 'buffer' }, (request, body, done) => done(null, body));
app.post('/webhooks/attentive', async (request, reply) => {
  if (!isSigned(request.body, request.headers['x-attentive-hmac-sha256'])) {
    return reply.code(401).send({ error: 'signature' });
  }
  await put(eventOf(request.body));
  return { status: 'stored' };
});
await app.listen({ host: '127.0.0.1', port: Number(PORT) });
