using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Shell;

/// <summary>Turns an exception into what an error line says.</summary>
internal static class ErrorText
{
    /// <summary>The code of errors that nobody foresaw.</summary>
    public const string Internal = "Internal";

    public static (string Code, string Message) Describe(Exception exception) => exception switch
    {
        ShellException shell => (shell.Code, shell.Message),
        KeyValueException store => (store.Code, store.Message),
        OperationCanceledException =>
            ("Canceled", "stopped before its answer came; a write may have been applied or not"),
        _ => (Internal, $"{exception.GetType().Name}: {exception.Message}; the log on standard error says more"),
    };
}
