using System.Diagnostics;
using System.Text;
using System.Text.RegularExpressions;
using BillingMigration.Testing;

namespace BillingMigration.Tests.Source.Binlog;

/// <summary>What <c>mysqlbinlog -vv</c> or <c>mariadb-binlog -vv</c> prints of a binlog file.</summary>
/// <param name="Rows">Values as they are printed; bytes as the characters of the same number.</param>
/// <param name="Error">Why the tool stopped; null when it read the file to its end.</param>
internal sealed partial record ToolOutput(IReadOnlyList<PrintedRow> Rows, string? Error)
{
    public static async Task<ToolOutput> ReadAsync(bool mariaDb, string path, CancellationToken cancellationToken)
    {
        var run = Repository.PathOf(".servers", mariaDb ? "mariadb" : "mysql", "run");
        Assert.SkipUnless(File.Exists(run), "the server's own tools are not in this checkout");
        string[] sets = mariaDb ? [$"--character-sets-dir={Repository.PathOf(".servers", "mariadb", "root", "usr", "share", "mysql", "charsets")}"] : [];
        var start = new ProcessStartInfo(run, [mariaDb ? "mariadb-binlog" : "mysqlbinlog", "--no-defaults", "--verify-binlog-checksum", "-vv", "--base64-output=DECODE-ROWS", .. sets, path])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            StandardOutputEncoding = Encoding.Latin1,
        };
        using var process = Process.Start(start)!;
        var errors = process.StandardError.ReadToEndAsync(cancellationToken);
        var text = await process.StandardOutput.ReadToEndAsync(cancellationToken);
        await process.WaitForExitAsync(cancellationToken);
        return new ToolOutput(Parse(text), process.ExitCode == 0 ? null : await errors);
    }

    /// <summary>Reads the lines that begin with <c>###</c>; a value that goes on in the next lines is an expression.</summary>
    private static List<PrintedRow> Parse(string text)
    {
        var rows = new List<PrintedRow>();
        SortedDictionary<int, string>? image = null;
        var column = 0;
        foreach (var line in text.Split('\n').Where(l => l.StartsWith("### ", StringComparison.Ordinal)))
        {
            if (Head().Match(line) is { Success: true } head)
            {
                rows.Add(new PrintedRow(head.Groups[1].Value, Unquote(head.Groups[2].Value) + "." + Unquote(head.Groups[3].Value)));
            }
            else if (line is "### WHERE" or "### SET")
            {
                image = line == "### SET" ? rows[^1].After : rows[^1].Before;
            }
            else if (Value().Match(line) is { Success: true } value)
            {
                column = int.Parse(value.Groups[1].Value, System.Globalization.CultureInfo.InvariantCulture);
                image!.Add(column, value.Groups[2].Value);
            }
            else
            {
                image![column] += "\n" + line[4..];
            }
        }

        foreach (var printed in rows.SelectMany(r => new[] { r.Before, r.After }))
        {
            foreach (var (key, whole) in printed.ToArray())
            {
                printed[key] = Comment().Replace(whole, "");
            }
        }

        return rows;
    }

    /// <summary>The output is read byte by byte, for the sake of the values; names are UTF-8.</summary>
    private static string Unquote(string name) => Encoding.UTF8.GetString(Encoding.Latin1.GetBytes(name)).Replace("``", "`", StringComparison.Ordinal);

    [GeneratedRegex("^### (INSERT INTO|UPDATE|DELETE FROM) `(.*)`\\.`(.*)`$")]
    private static partial Regex Head();

    [GeneratedRegex("^###   @([0-9]+)=(.*)$", RegexOptions.Singleline)]
    private static partial Regex Value();

    // "1.1                  /* FLOAT meta=4 nullable=1 is_null=0 */"
    [GeneratedRegex(" +/\\* [^*]* meta=[0-9]+ nullable=[01] is_null=[01] \\*/$")]
    private static partial Regex Comment();
}
