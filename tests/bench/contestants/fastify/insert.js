// One statement, one transaction for each event.
const statement = {
  name: 'insert',
  text: `INSERT INTO event (event_id, company_id, type, occurred_at, subscriber, body)
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING`,
};

export function inserter(pool) {
  return (e) =>
    pool.query({
      ...statement,
      values: [e.id, e.company, e.type, e.occurredAt, e.subscriber, e.body],
    });
}
