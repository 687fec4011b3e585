using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Shell;

/// <summary>What the cluster changes by itself once it was asked to, watched until it is done.</summary>
internal static class ControllerJob
{
    /// <summary>Asks the controller, tells the steps, and prints OK.</summary>
    /// <param name="again">The command that goes on watching, or asks once more.</param>
    public static Task RunAsync(ShellContext context, AdministrationRequest request, string again,
        CancellationToken cancellationToken) => RunAsync(context, again, tell => context.Administration.CompleteAsync(
            request, context.Options.TimeProvider, tell, cancellationToken), cancellationToken);

    /// <param name="again">The command that goes on watching, or asks once more.</param>
    /// <param name="work">Takes what tells a step.</param>
    public static async Task RunAsync(ShellContext context, string again, Func<Action<string>, Task> work,
        CancellationToken cancellationToken)
    {
        try
        {
            await context.Output.WithStepsAsync(again, async tell =>
            {
                var steps = new Steps(tell);
                try
                {
                    // An attempt under way ends by its deadline, but whoever interrupts does not wait for that.
                    await work(steps.Tell).WaitAsync(cancellationToken);
                }
                finally
                {
                    steps.Close();
                }
            });
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            throw new ShellException("Canceled", "no longer watched; the cluster goes on with what it has taken on; "
                + $"to watch it again, or should it not have been taken on, repeat it, which is safe: {again}");
        }
        catch (UnavailableException failure)
        {
            throw new ShellException(failure.Code, $"{failure.Message} Should the cluster have taken it on, it goes on "
                + $"with it; to see it through, repeat it, which is safe: {again}");
        }
        context.Output.Ok();
    }

    /// <summary>Tells steps until nobody watches any more.</summary>
    private sealed class Steps(Action<string> tell)
    {
        private readonly Lock _lock = new();
        private bool _isClosed;

        public void Tell(string step)
        {
            lock (_lock)
            {
                if (!_isClosed) tell(step);
            }
        }

        public void Close()
        {
            lock (_lock) _isClosed = true;
        }
    }
}
