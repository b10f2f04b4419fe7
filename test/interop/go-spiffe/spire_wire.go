package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

// wire is SPIRE's API as a set of descriptors has it: messages are JSON here and protobuf on the connection.
type wire struct {
	files *protoregistry.Files
	types *dynamicpb.Types
}

func readWire(path string) (*wire, error) {
	bytes, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	set := &descriptorpb.FileDescriptorSet{}
	if err := proto.Unmarshal(bytes, set); err != nil {
		return nil, err
	}
	files, err := protodesc.NewFiles(set)
	if err != nil {
		return nil, err
	}
	return &wire{files: files, types: dynamicpb.NewTypes(files)}, nil
}

// method is named as in a path: spire.api.server.entry.v1.Entry/ListEntries.
func (w *wire) method(name string) (protoreflect.MethodDescriptor, error) {
	found, err := w.files.FindDescriptorByName(protoreflect.FullName(strings.ReplaceAll(name, "/", ".")))
	if err != nil {
		return nil, err
	}
	method, ok := found.(protoreflect.MethodDescriptor)
	if !ok {
		return nil, fmt.Errorf("%s is no method", name)
	}
	return method, nil
}

func (w *wire) message(kind protoreflect.MessageDescriptor, text []byte) (*dynamicpb.Message, error) {
	made := dynamicpb.NewMessage(kind)
	if len(text) == 0 {
		return made, nil
	}
	return made, protojson.UnmarshalOptions{Resolver: w.types}.Unmarshal(text, made)
}

func (w *wire) text(given proto.Message) json.RawMessage {
	text, err := protojson.MarshalOptions{Resolver: w.types, UseProtoNames: true}.Marshal(given)
	if err != nil {
		panic(err)
	}
	return text
}

// outcome is one answer, or why there is none.
type outcome struct {
	Response json.RawMessage `json:"response"`
	Code     string          `json:"code"`
	Message  string          `json:"message"`
	// Of PermissionDeniedDetails, by which SPIRE's agent tells what to do.
	Reason string `json:"reason"`
}

func (w *wire) failed(err error) outcome {
	told := status.Convert(err)
	failure := outcome{Code: told.Code().String(), Message: told.Message()}
	for _, detail := range told.Proto().GetDetails() {
		opened, err := detail.UnmarshalNew()
		if kind, found := w.types.FindMessageByURL(detail.TypeUrl); found == nil {
			opened = kind.New().Interface()
			err = proto.Unmarshal(detail.Value, opened)
		}
		if err != nil {
			failure.Reason = err.Error()
			continue
		}
		var fields struct {
			Reason string `json:"reason"`
		}
		_ = json.Unmarshal(w.text(opened), &fields)
		failure.Reason = fields.Reason
	}
	return failure
}

// call makes a unary call, and tells of it whatever comes of it.
func (w *wire) call(ctx context.Context, at *grpc.ClientConn, ask callAsked) outcome {
	said, err := w.invoke(ctx, at, ask)
	if err != nil {
		return w.failed(err)
	}
	return outcome{Response: said, Code: "OK"}
}

// invoke makes a unary call, compressed by gzip where asked.
func (w *wire) invoke(ctx context.Context, at *grpc.ClientConn, ask callAsked) (json.RawMessage, error) {
	method, err := w.method(ask.Method)
	if err != nil {
		return nil, err
	}
	request, err := w.message(method.Input(), ask.Request)
	if err != nil {
		return nil, err
	}
	options := []grpc.CallOption{grpc.MaxCallRecvMsgSize(64 << 20)}
	if ask.Gzip {
		options = append(options, grpc.UseCompressor(gzip.Name))
	}
	response := dynamicpb.NewMessage(method.Output())
	if err := at.Invoke(ctx, "/"+ask.Method, request, response, options...); err != nil {
		return nil, err
	}
	return w.text(response), nil
}

// stream is a call of two directions.
type stream struct {
	wire   *wire
	method protoreflect.MethodDescriptor
	grpc.ClientStream
}

func (w *wire) stream(ctx context.Context, at *grpc.ClientConn, name string) (*stream, error) {
	method, err := w.method(name)
	if err != nil {
		return nil, err
	}
	shape := &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}
	opened, err := at.NewStream(ctx, shape, "/"+name)
	return &stream{wire: w, method: method, ClientStream: opened}, err
}

// exchange sends a message and decodes the next one into answer, by the names of its fields.
func (s *stream) exchange(message any, answer any) error {
	text, err := json.Marshal(message)
	if err != nil {
		return err
	}
	made, err := s.wire.message(s.method.Input(), text)
	if err != nil {
		return err
	}
	if err := s.SendMsg(made); err != nil {
		return err
	}
	return s.next(answer)
}

func (s *stream) next(answer any) error {
	received := dynamicpb.NewMessage(s.method.Output())
	if err := s.RecvMsg(received); err != nil {
		return err
	}
	return json.Unmarshal(s.wire.text(received), answer)
}
