using System.Text.Json;

namespace BillingMigration.Simulation;

/// <summary>Keeps parsed expressions by their text: programs send few texts, many times.</summary>
internal sealed class ExpressionCache
{
    private const int Most = 5000;
    private readonly Dictionary<string, Parsed> parsed = new(StringComparer.Ordinal);

    public Condition? Condition(JsonElement request, ReadOnlySpan<byte> member, Bindings bindings)
    {
        if (Read(request, member, bindings, ExpressionParser.Condition) is not { } expression)
        {
            return null;
        }

        expression.Condition.Check(bindings);
        return expression.Condition;
    }

    public ParsedCondition? Keys(JsonElement request, Bindings bindings) => Read(request, "KeyConditionExpression"u8, bindings, ExpressionParser.Condition);

    public ParsedUpdate? Update(JsonElement request, Bindings bindings) => Read(request, "UpdateExpression"u8, bindings, UpdateParser.Update);

    public ParsedProjection? Projection(JsonElement request, Bindings bindings)
    {
        var projection = Read(request, "ProjectionExpression"u8, bindings, ExpressionParser.Projection);
        if (projection is not null)
        {
            DocumentPath.RequireApart(projection.Paths, bindings);
        }

        return projection;
    }

    private T? Read<T>(JsonElement request, ReadOnlySpan<byte> member, Bindings bindings, Func<string, T> parse)
        where T : Parsed
    {
        if (request.Text(member) is not { } text)
        {
            return null;
        }

        var key = typeof(T).Name + text;
        if (!parsed.TryGetValue(key, out var expression))
        {
            if (parsed.Count >= Most)
            {
                parsed.Clear();
            }

            parsed[key] = expression = parse(text);
        }

        bindings.Use(expression);
        return (T)expression;
    }
}
