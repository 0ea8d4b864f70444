package main

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	batchMax = 500
	writers  = 2 // one fills a batch while the other commits
)

type waiting struct {
	*event
	done chan error
}

// Group commit: a batch is whatever queued while the last one was being committed.
type batcher struct {
	queue chan waiting
}

func newBatcher(pool *pgxpool.Pool) *batcher {
	b := &batcher{queue: make(chan waiting, 10_000)}
	for range writers {
		go b.write(pool)
	}
	return b
}

func (b *batcher) put(ctx context.Context, e *event) error {
	w := waiting{e, make(chan error, 1)}
	b.queue <- w
	select {
	case err := <-w.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (b *batcher) write(pool *pgxpool.Pool) {
	for first := range b.queue {
		batch := []waiting{first}
	fill:
		for len(batch) < batchMax {
			select {
			case next := <-b.queue:
				batch = append(batch, next)
			default:
				break fill
			}
		}
		err := insert(pool, batch)
		for _, w := range batch {
			w.done <- err
		}
	}
}

func insert(pool *pgxpool.Pool, batch []waiting) error {
	ids := make([][]byte, len(batch))
	companies := make([]string, len(batch))
	kinds := make([]string, len(batch))
	times := make([]time.Time, len(batch))
	subscribers := make([]string, len(batch))
	bodies := make([][]byte, len(batch))
	for i, w := range batch {
		ids[i], companies[i], kinds[i] = w.id, w.company, w.kind
		times[i], subscribers[i], bodies[i] = w.occurredAt, w.subscriber, w.body
	}
	_, err := pool.Exec(context.Background(),
		`INSERT INTO event (event_id, company_id, type, occurred_at, subscriber, body)
		 SELECT * FROM unnest($1::bytea[], $2::text[], $3::text[], $4::timestamptz[], $5::text[],
		     $6::bytea[])
		 ON CONFLICT DO NOTHING`,
		ids, companies, kinds, times, subscribers, bodies)
	return err
}
