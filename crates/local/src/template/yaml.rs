use saphyr::{LoadableYamlNode, Scalar, Yaml};
use serde_json::{Map, Number, Value, json};

use super::TemplateError;

/// Reads YAML as the JSON that CloudFormation makes of it: a tag becomes an object with one member.
pub(super) fn parse(text: &str) -> Result<Value, TemplateError> {
    let documents = Yaml::load_from_str(text).map_err(|error| TemplateError(error.to_string()))?;
    match &*documents {
        [document] => convert(document),
        _ => Err(TemplateError("there must be one YAML document".into())),
    }
}

fn convert(node: &Yaml<'_>) -> Result<Value, TemplateError> {
    Ok(match node {
        Yaml::Value(scalar) => convert_scalar(scalar),
        Yaml::Sequence(items) => items.iter().map(convert).collect::<Result<Vec<_>, _>>()?.into(),
        Yaml::Mapping(members) => {
            let mut object = Map::new();
            for (name, value) in members {
                object.insert(member_name(name)?, convert(value)?);
            }
            Value::Object(object)
        }
        Yaml::Tagged(tag, node) => {
            let value = convert(node)?;
            match &*tag.suffix {
                name @ ("Ref" | "Condition") => json!({name: value}),
                "GetAtt" => {
                    let dotted = value.as_str().and_then(|name| name.split_once('.'));
                    let pair = dotted.map(|(resource, attribute)| json!([resource, attribute]));
                    json!({"Fn::GetAtt": pair.unwrap_or(value)})
                }
                name => json!({format!("Fn::{name}"): value}),
            }
        }
        Yaml::Representation(..) | Yaml::Alias(_) | Yaml::BadValue => {
            return Err(TemplateError("there is YAML that cannot be read".into()));
        }
    })
}

fn convert_scalar(scalar: &Scalar<'_>) -> Value {
    match scalar {
        Scalar::Null => Value::Null,
        Scalar::Boolean(value) => (*value).into(),
        Scalar::Integer(value) => (*value).into(),
        Scalar::FloatingPoint(value) => Number::from_f64(value.0).into(),
        Scalar::String(text) => (&**text).into(),
    }
}

fn member_name(name: &Yaml<'_>) -> Result<String, TemplateError> {
    match name {
        Yaml::Value(Scalar::String(text)) => Ok(text.to_string()),
        Yaml::Value(Scalar::Integer(number)) => Ok(number.to_string()),
        _ => Err(TemplateError("a member's name must be a string".into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_become_objects() {
        let text = "
a: !Ref Key
b: !GetAtt Key.Arn
c: !Sub ${Key}-x
d: !Join ['-', [x, !Ref Key]]
e: {200: 1.5, f: [true, null]}
";
        let expected = json!({
            "a": {"Ref": "Key"},
            "b": {"Fn::GetAtt": ["Key", "Arn"]},
            "c": {"Fn::Sub": "${Key}-x"},
            "d": {"Fn::Join": ["-", ["x", {"Ref": "Key"}]]},
            "e": {"200": 1.5, "f": [true, null]},
        });
        assert_eq!(parse(text), Ok(expected));
    }
}
