package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/hubbub-chat/hubbub/internal/bus"
	"github.com/hubbub-chat/hubbub/internal/config"
	"github.com/hubbub-chat/hubbub/internal/msglog"
	"github.com/hubbub-chat/hubbub/internal/presence"
	"github.com/hubbub-chat/hubbub/internal/store"
)

// openKafka, openMongo and openRedis open the engines that nodes share. Each fails within 15 s with a sentence for the operator.
func (e *engines) openKafka(ctx context.Context, c config.Config, logger *slog.Logger) error {
	o, err := msglog.ParseKafka(c.Log.Full())
	if err != nil {
		return err
	}
	o.AllowSingleBroker, o.Logger = c.SingleBroker, logger
	kafka, err := openOrMake(ctx, c, o)
	if err != nil {
		return err
	}
	e.log, e.kafka, e.deployment, e.logProblem = kafka, kafka, o.Name, kafka.Problem
	e.metrics = append(e.metrics, kafkaMetrics(kafka)...)
	e.closers = append(e.closers, kafka.Close)
	return nil
}

// openOrMake makes the topic only for a store that belongs to no log yet: beside any other an empty one would be another log, which a
// refused start must not leave behind.
func openOrMake(ctx context.Context, c config.Config, o msglog.KafkaOptions) (*msglog.Kafka, error) {
	s, err := store.ParseMongo(c.Store.Full())
	if err != nil {
		return nil, err
	}
	was, err := store.CheckMongo(ctx, s)
	if err != nil {
		return nil, err
	}
	if was.Log == "" {
		return msglog.OpenKafka(ctx, o)
	}
	kafka, err := msglog.OldKafka(ctx, o, 0)
	if errors.Is(err, msglog.ErrNoTopic) {
		return nil, fmt.Errorf("the store belongs to the log %s, but %w: put that log back, or begin a new generation with hubbub log next", was.Log, err)
	}
	return kafka, err
}

func (e *engines) openMongo(ctx context.Context, c config.Config, logger *slog.Logger) error {
	o, err := store.ParseMongo(c.Store.Full())
	if err != nil {
		return err
	}
	o.Logger = logger
	db, err := store.OpenMongo(ctx, o)
	if err != nil {
		return err
	}
	e.store = withFaults(db)
	e.closers = append(e.closers, db.Close)
	return nil
}

func (e *engines) openRedis(ctx context.Context, c config.Config, logger *slog.Logger) error {
	o, err := bus.ParseRedis(c.Bus.Full())
	if err != nil {
		return err
	}
	o.Partitions, o.Logger = e.partitions, logger
	redis, err := bus.OpenRedis(ctx, o)
	if err != nil {
		return err
	}
	e.bus = redis
	e.metrics = append(e.metrics, redisMetrics(redis)...)
	e.closers = append(e.closers, redis.Close)
	info, err := e.log.Info(ctx)
	if err != nil {
		return err
	}
	e.badge = badge{Secret: e.secret.Fingerprint(), Log: info.ID, Store: e.storeName}
	here, err := presence.NewRedis(presence.RedisOptions{Client: redis.Client(), Name: o.Name, Node: e.node, Badge: e.badge.String(),
		Partitions: e.partitions, Logger: logger})
	if err != nil {
		return err
	}
	e.presence, e.peers = here, here.Peers
	e.closers = append(e.closers, here.Close)
	return nil
}

func kafkaMetrics(k *msglog.Kafka) []metric {
	return []metric{
		{"kafka_appended_total", "Records that Kafka acknowledged.", true, func() float64 { return float64(k.Stats().Appended) }},
		{"kafka_refused_total", "Records that were not written.", true, func() float64 { return float64(k.Stats().Refused) }},
		{"kafka_unknown_total", "Records of which it is not known.", true, func() float64 { return float64(k.Stats().Unknown) }},
		{"kafka_producers_replaced_total", "Producers that were stuck for 30 s.", true, func() float64 { return float64(k.Stats().Replaced) }},
		{"kafka_foreign_total", "Records in the topic that no hubbub wrote.", true, func() float64 { return float64(k.Stats().Foreign) }},
		{"kafka_waiting", "Records that wait for Kafka.", false, func() float64 { return float64(k.Stats().Waiting) }},
		{"kafka_settings_wrong", "Settings of the topic that could lose messages.", false, func() float64 { return float64(k.Stats().Wrong) }},
	}
}

func redisMetrics(r *bus.Redis) []metric {
	return []metric{
		{"bus_published_total", "Notes published.", true, func() float64 { return float64(r.Stats().Published) }},
		{"bus_dropped_total", "Notes lost by slow subscriptions.", true, func() float64 { return float64(r.Stats().Dropped) }},
	}
}
