using System.Text.Json;

namespace BillingMigration.Simulation;

/// <summary>The names and values that the placeholders of one request's expressions stand for. Each must be used.</summary>
internal sealed class Bindings
{
    private readonly Dictionary<string, string> names = new(StringComparer.Ordinal);
    private readonly Dictionary<string, ItemValue> values = new(StringComparer.Ordinal);
    private readonly HashSet<string> used = new(StringComparer.Ordinal);
    private readonly bool anyExpression;

    public Bindings(JsonElement request)
    {
        anyExpression = request.EnumerateObject().Any(m => m.Name.EndsWith("Expression", StringComparison.Ordinal));
        ReadNames(request);
        ReadValues(request);
    }

    /// <summary>The bytes of all values.</summary>
    public int ValuesSize => values.Values.Sum(v => v.Size());

    public string Name(string name) => name[0] == '#' ? names[name] : name;

    public ItemValue Value(string placeholder) => values[placeholder];

    /// <summary>Notes what an expression uses, and refuses one that uses what the request does not define.</summary>
    public void Use(Parsed expression)
    {
        foreach (var name in expression.Placeholders)
        {
            if (!(name[0] == '#' ? names.ContainsKey(name) : values.ContainsKey(name)))
            {
                throw ServiceError.Invalid($"Invalid expression: An expression placeholder used in the expression is not defined: {name}");
            }

            used.Add(name);
        }
    }

    public void RequireAllUsed()
    {
        if (used.Count != names.Count + values.Count)
        {
            var unused = names.Keys.Concat(values.Keys).Where(n => !used.Contains(n));
            throw ServiceError.Invalid($"A name or value is unused in expressions: {string.Join(", ", unused)}");
        }
    }

    private void ReadNames(JsonElement request)
    {
        if (!request.TryGetProperty("ExpressionAttributeNames"u8, out var given) || given.ValueKind == JsonValueKind.Null)
        {
            return;
        }

        foreach (var name in given.EnumerateObject())
        {
            names[name.Name] = IsPlaceholder(name.Name, '#') ? name.Value.RequiredText() : throw ServiceError.Invalid($"Invalid ExpressionAttributeNames key: {name.Name}");
        }

        RequireExpression(names.Count, "ExpressionAttributeNames");
    }

    private void ReadValues(JsonElement request)
    {
        if (!request.TryGetProperty("ExpressionAttributeValues"u8, out var given) || given.ValueKind == JsonValueKind.Null)
        {
            return;
        }

        foreach (var value in given.EnumerateObject())
        {
            values[value.Name] = IsPlaceholder(value.Name, ':') ? ItemJson.ReadValue(value.Value) : throw ServiceError.Invalid($"Invalid ExpressionAttributeValues key: {value.Name}");
        }

        RequireExpression(values.Count, "ExpressionAttributeValues");
    }

    private void RequireExpression(int count, string member)
    {
        if (count == 0 || !anyExpression)
        {
            throw ServiceError.Invalid(count == 0 ? $"{member} must not be empty" : $"{member} can only be specified when using expressions");
        }
    }

    private static bool IsPlaceholder(string name, char mark) =>
        name.Length > 1 && name[0] == mark && name.Skip(1).All(c => char.IsAsciiLetterOrDigit(c) || c == '_');
}
