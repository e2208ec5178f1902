using System.Collections.Concurrent;
using System.Globalization;

namespace BillingMigration.Torture;

/// <summary>What the clients said, of all their processes.</summary>
internal sealed class SwitchLog
{
    private readonly ConcurrentDictionary<string, string> begun = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, bool> acknowledged = new(StringComparer.Ordinal);
    private readonly ConcurrentQueue<string> failed = new();
    private long reads;
    private long unknown;
    private int longest;

    public long Writes => acknowledged.Count;

    public long Reads => Interlocked.Read(ref reads);

    public long Unknown => Interlocked.Read(ref unknown);

    public IReadOnlyCollection<string> Failed => failed;

    /// <summary>The longest call, in milliseconds.</summary>
    public int Longest => longest;

    /// <summary>Ids of charges and bills, or payments as <c>bill</c>.</summary>
    public IReadOnlySet<string> Begun(string kind) => begun.Where(b => b.Value.StartsWith(kind, StringComparison.Ordinal)).Select(b => b.Key).ToHashSet(StringComparer.Ordinal);

    public IReadOnlySet<string> Acknowledged(string kind) => Begun(kind).Where(acknowledged.ContainsKey).ToHashSet(StringComparer.Ordinal);

    /// <summary>Payments by bill: acknowledged, and begun.</summary>
    public IReadOnlyDictionary<string, (int Acknowledged, int Begun)> Payments() => begun.Where(b => b.Value.StartsWith("pay", StringComparison.Ordinal))
        .GroupBy(b => b.Value.Split(' ')[1])
        .ToDictionary(g => g.Key, g => (g.Count(b => acknowledged.ContainsKey(b.Key)), g.Count()));

    public void Say(string line)
    {
        var words = line.Split(' ');
        switch (words[0])
        {
            case ">":
                begun[words[2]] = words[1] + (words.Length > 3 ? " " + words[3] : "");
                break;
            case "+":
                acknowledged[words[2]] = true;
                break;
            case "?":
                Interlocked.Increment(ref unknown);
                break;
            case "!":
                failed.Enqueue(line);
                break;
            case "r":
                Interlocked.Increment(ref reads);
                break;
            case "longest":
                InterlockedMax(int.Parse(words[1], CultureInfo.InvariantCulture));
                break;
            default:
                break;
        }
    }

    private void InterlockedMax(int value)
    {
        lock (failed)
        {
            longest = Math.Max(longest, value);
        }
    }
}
