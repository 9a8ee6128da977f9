package msglog

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// clock asks what time it is for Kafka: how far the clock of the controllers' leader is ahead of this machine's, give or take trip. Nothing
// is written for it: the leader of the metadata log counts itself as caught up now, and says when that is (KIP-836). false: it is not
// told, by brokers without KRaft or to a user who may not describe the cluster.
func (k *Kafka) clock(ctx context.Context) (ahead, trip time.Duration, told bool) {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	req := kmsg.NewPtrDescribeQuorumRequest()
	topic := kmsg.NewDescribeQuorumRequestTopic()
	topic.Topic = "__cluster_metadata"
	topic.Partitions = append(topic.Partitions, kmsg.NewDescribeQuorumRequestTopicPartition())
	req.Topics = append(req.Topics, topic)
	for range 2 { // the second time the connection stands, so that the answer tells the time
		asked := time.Now()
		res, err := req.RequestWith(ctx, k.admin)
		if err != nil || len(res.Topics) != 1 || len(res.Topics[0].Partitions) != 1 {
			return 0, 0, false
		}
		trip, told = time.Since(asked), false
		for _, p := range res.Topics[0].Partitions {
			for _, v := range p.CurrentVoters {
				if v.ReplicaID == p.LeaderID && v.LastCaughtUpTimestamp > 0 {
					ahead, told = time.UnixMilli(v.LastCaughtUpTimestamp).Sub(asked.Add(trip/2)), true
				}
			}
		}
	}
	return ahead, trip, told
}
