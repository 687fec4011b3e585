using System.Runtime.ExceptionServices;
using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Shell;

/// <summary>Writes a file's rows into the store.</summary>
internal sealed class Importer(IKeyValueStore store, string path, ITransferFormat format)
{
    private const int ReportEveryRows = 256;

    /// <summary>Reads until the file ends or a line fails; what was written before stays.</summary>
    /// <returns>The rows acknowledged: all of the file.</returns>
    /// <exception cref="ShellException">A line failed; names file, line, reason and the rows written.</exception>
    public async Task<long> RunAsync(IProgressSink progress, CancellationToken cancellationToken)
    {
        await using FileStream file = TransferFile.OpenRead(path);
        long length = file.CanSeek ? file.Length : 0;
        var lines = new LineReader(file, TransferFormats.LineMaxBytes);
        var window = new WriteWindow(store, cancellationToken);
        (long Line, Exception Exception)? unread = null;
        while (window.Failure is null)
        {
            try
            {
                LineRead line = await lines.ReadAsync(cancellationToken);
                if (line.Kind == LineKind.End) break;
                if (line.Kind == LineKind.TooLong)
                {
                    throw new BadLineException($"the line is longer than {TransferFormats.LineMaxBytes} bytes");
                }
                TransferRow row = format.Parse(line.Bytes.Span);
                await window.AddAsync(lines.LineNumber, row);
            }
            catch (Exception exception)
            {
                // Whatever it is: first wait for the rows before it, then report.
                unread = (exception is BadLineException ? lines.LineNumber : lines.LineNumber + 1, exception);
                break;
            }
            if (lines.LineNumber % ReportEveryRows == 0)
            {
                progress.Report(length > 0 ? (double)lines.BytesRead / length : null, $"{window.Acknowledged} rows");
            }
        }
        await window.DrainAsync();
        if ((window.Failure ?? unread) is { } failure) Fail(failure.Item1, failure.Item2, window.Acknowledged);
        return window.Acknowledged;
    }

    private void Fail(long line, Exception exception, long written)
    {
        string where = $"file '{path}', line {line}";
        throw exception switch
        {
            BadLineException bad => new ShellException("BadLine",
                $"{where}: {bad.Message}; {written} rows before it were written; correct the line and import again"),
            OutcomeUnknownException unknown => new ShellException(unknown.Code,
                $"{where}: {unknown.Message}; {written} rows were written, this one perhaps; import again"),
            KeyValueException refused => new ShellException(refused.Code,
                $"{where}: {refused.Message}; {written} rows were written"),
            IOException failed => new ShellException("FileFailed",
                $"{where} cannot be read: {failed.Message}; {written} rows before it were written"),
            _ => Rethrow(exception),
        };
    }

    private static Exception Rethrow(Exception exception)
    {
        ExceptionDispatchInfo.Throw(exception);
        return exception;
    }
}
