using System.Diagnostics;
using System.Globalization;

namespace BillingMigration.Control;

/// <summary>
/// Which process holds a lease, exactly enough to know on the same machine whether it still runs: the kernel's boot id, the PID namespace
/// (containers), the process id and when it was started (ids are used again).
/// </summary>
/// <param name="Machine">Host name, for the operator.</param>
/// <param name="BootId">Identity of the running kernel; null where there is none (Windows, macOS): then only time tells.</param>
/// <param name="PidNamespace">Linux PID namespace.</param>
/// <param name="ProcessId">Process id in it.</param>
/// <param name="ProcessStart">Start of the process in clock ticks since boot.</param>
/// <param name="User">Account, for the operator.</param>
internal sealed record LeaseHolder(string Machine, string? BootId, string? PidNamespace, int ProcessId, string? ProcessStart, string User)
{
    private static readonly Lazy<LeaseHolder> ThisProcess = new(Read);

    public static LeaseHolder Current => ThisProcess.Value;

    /// <summary>True only when it is certain that the holder has ended: it ran under this very kernel and namespace, and its process is gone.</summary>
    public bool IsKnownDead(LeaseHolder observer)
    {
        if (BootId is null || PidNamespace is null || ProcessStart is null || BootId != observer.BootId || PidNamespace != observer.PidNamespace)
        {
            return false;
        }

        return StartOf(ProcessId) != ProcessStart;
    }

    public override string ToString() => $"process {ProcessId} of {User} on {Machine}";

    private static LeaseHolder Read()
    {
        var linux = OperatingSystem.IsLinux();
        return new LeaseHolder(
            Environment.MachineName,
            linux ? ReadLine("/proc/sys/kernel/random/boot_id") : null,
            linux ? File.ResolveLinkTarget("/proc/self/ns/pid", returnFinalTarget: false)?.Name : null,
            Environment.ProcessId,
            linux ? StartOf(Environment.ProcessId) : null,
            Environment.UserName);
    }

    /// <summary>Field 22 of <c>/proc/PID/stat</c> (proc_pid_stat(5)); null when there is no such process.</summary>
    private static string? StartOf(int processId)
    {
        var stat = ReadLine(string.Create(CultureInfo.InvariantCulture, $"/proc/{processId}/stat"));

        // The second field is the command in parentheses, which may hold blanks and parentheses itself.
        var fields = stat?[(stat.LastIndexOf(')') + 1)..].Split(' ', StringSplitOptions.RemoveEmptyEntries);

        // A zombie (state Z) or dead (X) process does nothing any more.
        return fields is { Length: > 19 } && fields[0] is not ("Z" or "X") ? fields[19] : null;
    }

    private static string? ReadLine(string path)
    {
        try
        {
            return File.ReadAllText(path).Trim();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
