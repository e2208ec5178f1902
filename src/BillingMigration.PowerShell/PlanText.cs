using System.Collections.Immutable;
using System.Globalization;
using BillingMigration.Snapshot;
using BillingMigration.Target;

namespace BillingMigration.PowerShell;

/// <summary>What <c>-WhatIf</c> prints: the real plan, in lines of at most 80 columns.</summary>
internal static class PlanText
{
    private const int Width = 80;

    public static string Of(MigrationSession session, SnapshotPlan plan)
    {
        var source = session.Definition.Source;
        var run = plan.ResumesRunId is { } id ? $"goes on with run {id}" : "begins a new run";
        var lines = new List<string>
        {
            $"Export '{plan.Migration}': {run}",
            $"  from {source.Host}:{source.Port}/{source.Database}",
            $"  to   table {plan.Table} at {session.Target.Endpoint}",
            "",
            $"  {"Entity",-18}{"Source table",-20}{"Rows",13}{"Size",11}{"Write units",14}",
        };
        lines.AddRange(plan.Entities.Select(e =>
            $"  {Cut(e.Entity, 17),-18}{Cut(e.SourceTable, 19),-20}{Number(e.Rows),13}{Size(e.Bytes),11}{Number(e.WriteUnits),14}"));
        lines.Add($"  {"Total",-38}{Number(plan.Rows),13}{Size(plan.Bytes),11}{Number(plan.WriteUnits),14}");
        lines.Add("");
        lines.AddRange(Wrap($"  Estimated time {Duration(plan.EstimatedDuration)}, bound by {plan.DurationBoundBy}", "    "));
        lines.Add($"  Estimated cost {Dollars(plan.EstimatedCost)}");
        lines.AddRange(plan.Notes.SelectMany(note => Wrap("  Note: " + note, "        ")));
        return string.Join(Environment.NewLine, lines);
    }

    public static string Of(MigrationSession session, ImmutableArray<InitializeStep> steps)
    {
        var lines = new List<string> { $"Initialize tables at {session.Target.Endpoint}" };
        foreach (var table in steps.GroupBy(s => s.Table))
        {
            lines.Add($"  {table.Key}");
            lines.AddRange(table.SelectMany(s => Wrap($"    {Status(s.Status),-14}{s.Setting,-20}  {s.Detail}", new string(' ', 40))));
        }

        return string.Join(Environment.NewLine, lines);
    }

    public static string Number(double value) => value.ToString("N0", CultureInfo.InvariantCulture);

    public static string Size(double bytes)
    {
        string[] units = ["B", "KB", "MB", "GB", "TB"];
        var unit = 0;
        for (; bytes >= 1024 && unit < units.Length - 1; unit++)
        {
            bytes /= 1024;
        }

        return bytes.ToString(unit == 0 || bytes >= 100 ? "N0" : "N1", CultureInfo.InvariantCulture) + " " + units[unit];
    }

    /// <summary><c>3d 4h</c>, <c>2h 05m</c>, <c>4m 12s</c>, <c>7.3s</c>.</summary>
    public static string Duration(TimeSpan time) => time switch
    {
        { TotalDays: >= 1 } => $"{(int)time.TotalDays}d {time.Hours}h",
        { TotalHours: >= 1 } => $"{(int)time.TotalHours}h {time.Minutes:00}m",
        { TotalMinutes: >= 1 } => $"{(int)time.TotalMinutes}m {time.Seconds:00}s",
        _ => time.TotalSeconds.ToString("0.0", CultureInfo.InvariantCulture) + "s",
    };

    private static string Dollars(decimal amount) => amount is > 0 and < 0.01m ? "under $0.01" : "$" + amount.ToString("N2", CultureInfo.InvariantCulture);

    private static string Status(InitializeStepStatus status) => status switch
    {
        InitializeStepStatus.Planned => "to do",
        InitializeStepStatus.Done => "done",
        InitializeStepStatus.Unchanged => "as it is",
        InitializeStepStatus.Differs => "DIFFERS",
        _ => "not supported",
    };

    private static string Cut(string text, int length) => text.Length <= length ? text : text[..(length - 1)] + "…";

    /// <summary>Breaks a long line between words; what follows is indented.</summary>
    public static IEnumerable<string> Wrap(string line, string indent)
    {
        while (line.Length > Width)
        {
            var end = line.LastIndexOf(' ', Width);
            if (end <= indent.Length)
            {
                break;
            }

            yield return line[..end].TrimEnd();
            line = indent + line[(end + 1)..];
        }

        yield return line;
    }
}
