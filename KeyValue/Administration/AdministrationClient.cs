using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue;

/// <summary>Asks the controller, wherever it is: the leader of the meta group.</summary>
/// <param name="timeout">How long to look for it.</param>
public sealed class AdministrationClient(IStoreConnection connection, TimeProvider time, TimeSpan timeout)
{
    private static readonly TimeSpan RetryInterval = TimeSpan.FromMilliseconds(100);

    /// <summary>Sends a request until it is answered.</summary>
    /// <exception cref="UnavailableException">Nobody answered in time; what was asked for may still happen.
    /// Requests may be repeated.</exception>
    public async Task<AdministrationAnswer> AskAsync(
        AdministrationRequest request, CancellationToken cancellationToken = default)
    {
        long start = time.GetTimestamp();
        int redirects = 0;
        while (true)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var message = new GroupRequest(RequestKind.Administer, AdministrationCodec.Encode(request));
            GroupReply reply = await connection.ExecuteAsync(GroupId.Meta, message);
            if (reply.Status == GroupReplyStatus.Answered)
            {
                return AdministrationCodec.TryDecodeAnswer(reply.Answers.Span, out AdministrationAnswer answer)
                    ? answer
                    : throw new UnavailableException("The controller's answer cannot be read: it comes from another "
                        + "version. Use the program of the version that the cluster runs.");
            }
            if (reply.Status == GroupReplyStatus.Malformed)
                throw new UnavailableException("The cluster does not understand the request: it runs another version. "
                    + "Use the program of that version.");
            // Whether it took effect is not known.
            if (reply.Status == GroupReplyStatus.Unknown) request = request with { IsRepeat = true };
            if (time.GetElapsedTime(start) >= timeout)
                throw new UnavailableException("The cluster's controller did not answer: the meta group has no leader, "
                    + "or it cannot be reached. Check that most of the nodes of g0 are up; groups go on without it.");
            if (!reply.IsRedirect || ++redirects % 2 == 0)
                await Task.Delay(RetryInterval, time, cancellationToken);
        }
    }
}
