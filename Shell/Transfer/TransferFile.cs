namespace Orleans.Raft.Shell;

/// <summary>Opens files, with errors that name them.</summary>
internal static class TransferFile
{
    /// <summary>A path as it was typed.</summary>
    public static string PathOf(Word word)
    {
        string path = word.ToText("the file name");
        if (path.Length > 0 && !path.Contains('\0')) return path;
        throw new ShellException("BadArgument", $"{word.Quoted} is no file name; give the path of a file");
    }

    public static FileStream OpenRead(string path) => Open(path, () => new FileStream(path, new FileStreamOptions
    {
        Mode = FileMode.Open,
        Access = FileAccess.Read,
        Options = FileOptions.Asynchronous | FileOptions.SequentialScan,
        BufferSize = 0,
    }));

    /// <summary>Creates a new file that is to become <paramref name="target"/>.</summary>
    public static FileStream Create(string path, string target) =>
        Open(target, () => new FileStream(path, new FileStreamOptions
    {
        Mode = FileMode.CreateNew,
        Access = FileAccess.Write,
        Options = FileOptions.Asynchronous,
        BufferSize = 0,
    }));

    private static FileStream Open(string path, Func<FileStream> open)
    {
        if (Directory.Exists(path)) throw new ShellException("FileFailed", $"'{path}' is a directory; name a file");
        try
        {
            return open();
        }
        catch (FileNotFoundException)
        {
            throw new ShellException("FileNotFound",
                $"there is no file '{path}' (in {Environment.CurrentDirectory}); check the path");
        }
        catch (DirectoryNotFoundException)
        {
            throw new ShellException("FileNotFound",
                $"the directory of '{path}' does not exist; create it or check the path");
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new ShellException("FileFailed", $"'{path}' cannot be opened: {exception.Message}");
        }
    }
}
