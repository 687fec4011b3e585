using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue;

/// <summary>A client's reads of one consistency from one group.</summary>
internal sealed class ReadLane(KvClient client, GroupId group, RequestKind kind) : GroupLane(client, group, kind)
{
    private readonly ReadBatchWriter _writer = new();

    protected override async Task<Retry?> AttemptAsync(IReadOnlyList<PendingOperation> batch)
    {
        _writer.Reset();
        foreach (PendingOperation operation in batch) _writer.AddAll(operation.Encoded);
        PendingOperation[] sent = [.. batch];

        GroupReply reply = await Client.Connection.ExecuteAsync(Group, new GroupRequest(Kind, _writer.ToArray()));
        if (reply.Status == GroupReplyStatus.Malformed)
        {
            foreach (PendingOperation operation in sent)
                operation.Fail(new KeyValueArgumentException("BadArgument",
                    "The group refused the read as malformed or beyond its limits."));
            return null;
        }
        if (reply.Status != GroupReplyStatus.Answered)
        {
            LastProblem = Describe(reply);
            return RetryAfter(reply);
        }

        OperationAnswer[] answers = OperationAnswer.ReadAll(reply.Answers.Span);
        Invariant.Require(answers.Length == sent.Length,
            $"{Group} gave {answers.Length} answers to {sent.Length} reads");
        int refused = 0;
        var retry = Retry.Later;
        for (int i = 0; i < sent.Length; i++)
        {
            switch (answers[i].Status)
            {
                // The reply was full before this one's turn; the next batch brings it.
                case AnswerStatus.Busy:
                    LastProblem = "there was no room for the answer beside those of other reads";
                    refused++;
                    break;
                case AnswerStatus.Frozen:
                    LastProblem = BeingMerged;
                    retry = Retry.Merging;
                    refused++;
                    break;
                case AnswerStatus.WrongRange when sent[i].CanMove:
                    Client.Learn(answers[i].Descriptor!);
                    Release(sent[i]);
                    break;
                default:
                    sent[i].End(answers[i]);
                    break;
            }
        }
        // A group that has room for none must not be asked again at once.
        return refused == sent.Length ? retry : null;
    }
}
