package store

import (
	"errors"
	"fmt"
	"strings"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"go.mongodb.org/mongo-driver/v2/mongo"
)

// codeDuplicate is MongoDB's DuplicateKey.
const codeDuplicate = 11000

// neverCode says that a document refused with this code is refused for ever: BadValue, TypeMismatch, DocumentValidationFailure,
// CannotBuildIndexKeys, KeyTooLong, BSONObjectTooLarge, BSONObjectTooLarge of older servers. See MongoDB's error_codes.yml.
func neverCode(code int) bool {
	switch code {
	case 2, 14, 121, 201, 17280, 10334, 17419, 17420:
		return true
	}
	return false
}

// neverText says that a server on PostgreSQL refused a whole command because of a value that it can not hold, in an error that is
// general otherwise: SQLSTATE 22P05 (untranslatable character), 22021 (character not in repertoire), 54000 (program limit, such as an
// index row's size). See PostgreSQL's appendix A; FerretDB 1.24 passes it on in the text.
func neverText(text string) bool {
	for _, state := range []string{"22P05", "22021", "54000"} {
		if strings.Contains(text, "(SQLSTATE "+state+")") {
			return true
		}
	}
	return false
}

// diskFull says that the server has no space left: MongoDB's OutOfDiskSpace, PostgreSQL's disk_full.
func diskFull(err error) bool {
	var server mongo.ServerError
	return errors.As(err, &server) && server.HasErrorCode(14031) || strings.Contains(err.Error(), "(SQLSTATE 53100)")
}

// bulkOutcome reads the answer to a bulk of documents item by item: which of them were refused as duplicates, and whether anything
// else went wrong. One item's duplicate never hides another's error: *chat.Unstorable names an item that can never be written (-1: it
// can not be told which); any other error is worth another try of the whole bulk.
func bulkOutcome(err error) (duplicates []int, _ error) {
	if err == nil {
		return nil, nil
	}
	var bulk mongo.BulkWriteException
	if !errors.As(err, &bulk) {
		var command mongo.CommandError
		if errors.As(err, &command) && neverText(command.Message) {
			return nil, &chat.Unstorable{Index: -1, Reason: command.Message}
		}
		return nil, err
	}
	if bulk.WriteConcernError == nil && len(bulk.WriteErrors) == 0 {
		return nil, err
	}
	var other error
	var never *chat.Unstorable
	for _, e := range bulk.WriteErrors {
		switch {
		case e.Code == codeDuplicate:
			duplicates = append(duplicates, e.Index)
		case neverCode(e.Code) || neverText(e.Message):
			if never == nil {
				never = &chat.Unstorable{Index: e.Index, Reason: e.Message}
			}
		default:
			other = fmt.Errorf("document %d: %w", e.Index, e.WriteError)
		}
	}
	switch {
	case never != nil:
		return nil, never
	case bulk.WriteConcernError != nil: // written, but perhaps not for good
		return nil, fmt.Errorf("not acknowledged by the majority: %w", bulk.WriteConcernError)
	case other != nil:
		return nil, other
	}
	return duplicates, nil
}
