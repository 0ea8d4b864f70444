// A receiver as one writes it in Go: net/http over TLS, HMAC over the raw body, and the event in
// PostgreSQL (pgx) before the answer. "receiver insert" writes each event on its own, "receiver
// batch" groups by hand what came while the last batch was committed.
package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"os"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

type event struct {
	id         []byte
	company    string
	kind       string
	occurredAt time.Time
	subscriber string
	body       []byte
}

type store interface {
	// Returns when the event is committed.
	put(ctx context.Context, e *event) error
}

func parse(body []byte) (*event, error) {
	var payload struct {
		Type      string `json:"type"`
		Timestamp int64  `json:"timestamp"`
		Company   struct {
			ID string `json:"company_id"`
		} `json:"company"`
		Subscriber struct {
			Phone string `json:"phone"`
		} `json:"subscriber"`
	}
	if err := json.Unmarshal(body, &payload); err != nil {
		return nil, err
	}
	digest := sha256.Sum256(body)
	return &event{
		id:         digest[:16],
		company:    payload.Company.ID,
		kind:       payload.Type,
		occurredAt: time.UnixMilli(payload.Timestamp),
		subscriber: payload.Subscriber.Phone,
		body:       body,
	}, nil
}

func handler(key []byte, events store) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 256<<10))
		if err != nil {
			http.Error(w, "body", http.StatusBadRequest)
			return
		}
		mac := hmac.New(sha256.New, key)
		mac.Write(body)
		signature, err := hex.DecodeString(r.Header.Get("x-attentive-hmac-sha256"))
		if err != nil || !hmac.Equal(signature, mac.Sum(nil)) {
			http.Error(w, "signature", http.StatusUnauthorized)
			return
		}
		e, err := parse(body)
		if err != nil {
			http.Error(w, "json", http.StatusBadRequest)
			return
		}
		if err := events.put(r.Context(), e); err != nil {
			log.Print(err)
			http.Error(w, "store", http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"status":"stored"}`)
	}
}

func main() {
	config, err := pgxpool.ParseConfig("") // PGHOST, PGUSER, PGDATABASE
	if err != nil {
		log.Fatal(err)
	}
	config.MaxConns = 16
	pool, err := pgxpool.NewWithConfig(context.Background(), config)
	if err != nil {
		log.Fatal(err)
	}
	var events store = &inserter{pool}
	if os.Args[1] == "batch" {
		events = newBatcher(pool)
	}
	mux := http.NewServeMux()
	mux.Handle("POST /webhooks/attentive", handler([]byte(os.Getenv("SIGNING_KEY")), events))
	address := "127.0.0.1:" + os.Getenv("PORT")
	log.Fatal(http.ListenAndServeTLS(address, os.Getenv("TLS_CERT"), os.Getenv("TLS_KEY"), mux))
}
