using System.Globalization;
using System.Management.Automation;
using System.Text;
using BillingMigration.Store;

namespace BillingMigration.PowerShell;

/// <summary>Records as the pipeline sees them: a property for each column, sensitive ones masked unless asked for.</summary>
internal static class RecordObject
{
    private const string Masked = "***";

    public static PSObject Of(BillingRecord record, MigrationSession session, bool includeSensitive)
    {
        var result = new PSObject();
        result.TypeNames.Insert(0, "BillingMigration.BillingRecord");
        result.TypeNames.Insert(0, $"BillingMigration.{TypeName(record.Entity)}");
        foreach (var column in record.Columns)
        {
            var value = record[column];
            Add(result, column, record.IsSensitive(column) && !includeSensitive && value is not null ? Masked : value);
        }

        Add(result, "Migration", session);
        return result;
    }

    public static PSObject Of(TotalQuery query, TotalRow row)
    {
        var result = new PSObject();
        result.TypeNames.Insert(0, "BillingMigration.Total");
        for (var i = 0; i < query.GroupBy.Length; i++)
        {
            Add(result, query.GroupBy[i], row.Group[i]);
        }

        if (query.ByMonthOf is not null)
        {
            Add(result, "Month", row.Group[^1]);
        }

        Add(result, "Count", row.Count);
        for (var i = 0; i < query.Sums.Length; i++)
        {
            Add(result, query.Sums[i], Number(row.Sums[i]));
        }

        return result;
    }

    /// <summary>A column may be called like a property that is added; the later one wins.</summary>
    public static void Add(PSObject to, string name, object? value)
    {
        to.Properties.Remove(name);
        to.Properties.Add(new PSNoteProperty(name, value));
    }

    /// <summary>SERVICE_AGREEMENT: ServiceAgreement.</summary>
    private static string TypeName(string entity)
    {
        var name = new StringBuilder();
        foreach (var word in entity.Split('_', StringSplitOptions.RemoveEmptyEntries))
        {
            name.Append(char.ToUpperInvariant(word[0])).Append(word[1..].ToLowerInvariant());
        }

        return name.ToString();
    }

    /// <summary>What decimal does not hold stays a text.</summary>
    private static object? Number(string? sum) => decimal.TryParse(sum, NumberStyles.Number, CultureInfo.InvariantCulture, out var number) && sum!.Count(char.IsAsciiDigit) <= 28 ? number : sum;
}
