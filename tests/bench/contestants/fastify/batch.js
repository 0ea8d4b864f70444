// Group commit: a batch is whatever queued while the last one was being committed.
const batchMax = 500;
const writers = 2; // one fills a batch while the other commits

const statement = {
  name: 'batch',
  text: `INSERT INTO event (event_id, company_id, type, occurred_at, subscriber, body)
         SELECT * FROM unnest($1::bytea[], $2::text[], $3::text[], $4::timestamptz[], $5::text[],
             $6::bytea[])
         ON CONFLICT DO NOTHING`,
};

function columnsOf(batch) {
  const columns = [[], [], [], [], [], []];
  for (const { event: e } of batch) {
    columns[0].push(e.id);
    columns[1].push(e.company);
    columns[2].push(e.type);
    columns[3].push(e.occurredAt);
    columns[4].push(e.subscriber);
    columns[5].push(e.body);
  }
  return columns;
}

export function batcher(pool) {
  let queue = [];
  let active = 0;

  async function write() {
    active += 1;
    while (queue.length > 0) {
      const batch = queue.slice(0, batchMax);
      queue = queue.slice(batchMax);
      try {
        await pool.query({ ...statement, values: columnsOf(batch) });
        for (const { resolve } of batch) resolve();
      } catch (fault) {
        for (const { reject } of batch) reject(fault);
      }
    }
    active -= 1;
  }

  return (event) =>
    new Promise((resolve, reject) => {
      queue.push({ event, resolve, reject });
      if (active < writers) setImmediate(() => active < writers && write());
    });
}
