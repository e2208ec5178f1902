using System.Collections.Immutable;

namespace BillingMigration.Testing;

/// <summary>Rows as an application of the sample billing system writes them.</summary>
public static class SampleRows
{
    public static DateTime At { get; } = new(2026, 1, 31, 12, 0, 0);

    public static ImmutableDictionary<string, object?> Values(params (string Column, object? Value)[] values)
    {
        ArgumentNullException.ThrowIfNull(values);
        return values.ToImmutableDictionary(v => v.Column, v => v.Value);
    }

    public static ImmutableDictionary<string, object> Key(string column, object value) => ImmutableDictionary<string, object>.Empty.Add(column, value);

    public static ImmutableDictionary<string, object?> Charge(object account, decimal amount) => Values(
        ("account_id", account), ("charge_type", "USAGE"), ("description", "a call"), ("amount", amount), ("tax_amount", amount * 0.19m), ("charged_at", At));

    public static ImmutableDictionary<string, object?> Account(string number) => Values(
        ("customer_id", 1L), ("account_number", number), ("currency", "EUR"), ("bill_cycle_day", 5), ("opened_at", At), ("iban", "DE00"));

    public static ImmutableDictionary<string, object?> Bill(object account, string number) => Values(
        ("account_id", account), ("bill_number", number), ("status", "ISSUED"), ("period_start", new DateOnly(2026, 1, 1)), ("period_end", new DateOnly(2026, 1, 31)),
        ("bill_date", new DateOnly(2026, 2, 1)), ("due_date", new DateOnly(2026, 2, 15)), ("subtotal", 10m), ("tax_amount", 1.9m), ("total", 11.9m));
}
