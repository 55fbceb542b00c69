pipeline {
    agent none
    options {
        timeout(time: 30, unit: 'MINUTES')
    }
    stages {
        stage('Test') {
            matrix {
                agent any
                axes {
                    axis {
                        name 'PYTHON'
                        values @PYTHON_VALUES@
                    }
                }
                environment {
                    // The agent's own store is the cache: what it keeps is named by hash, so no key is needed.
                    PATH = "${env.WORKSPACE}/.provenv-tool/bin:${env.PATH}"
                }
                stages {
                    stage('Sync') {
                        steps {
                            sh 'python3 -m venv .provenv-tool'
                            sh 'python -m pip install --quiet provenv==@VERSION@'
                            sh 'provenv python find "$PYTHON" || provenv python install "$PYTHON"'
                            sh 'provenv sync --locked @SELECT_SHELL@'
                        }
                    }
                    stage('Run') {
                        steps {
                            sh 'provenv run @SELECT_SHELL@ @COMMAND@'
                        }
                    }
                }
            }
        }
        stage('Release') {
            agent any
            environment {
                PATH = "${env.WORKSPACE}/.provenv-tool/bin:${env.PATH}"
            }
            steps {
                sh 'python3 -m venv .provenv-tool'
                sh 'python -m pip install --quiet provenv==@VERSION@'
                sh 'provenv lock --check'
                sh 'provenv python find "@PROD_PYTHON@" || provenv python install "@PROD_PYTHON@"'
                sh 'provenv sync --locked -e @PROD@'
                sh 'provenv verify -e @PROD@'
            }
        }
    }
}
