package main

import (
	"context"

	"github.com/jackc/pgx/v5/pgxpool"
)

// One statement, one transaction for each event.
type inserter struct {
	pool *pgxpool.Pool
}

func (s *inserter) put(ctx context.Context, e *event) error {
	_, err := s.pool.Exec(ctx,
		`INSERT INTO event (event_id, company_id, type, occurred_at, subscriber, body)
		 VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING`,
		e.id, e.company, e.kind, e.occurredAt, e.subscriber, e.body)
	return err
}
